/// The cgroup hierarchy that has the cpuset controller.
package struct CgroupHierarchy: Equatable, Sendable {
    /// What kind of hierarchy it is.
    package enum Kind: Equatable, Sendable {
        /// cgroup v2 with the cpuset controller.
        case v2
        /// A cgroup v1 hierarchy with the cpuset controller. Also on hybrid systems, where the v2 hierarchy lacks it.
        case v1
        /// None.
        case none
    }

    /// The kind.
    package var kind: Kind
    /// Where it is mounted, without a slash at the end; empty where there is none.
    package var mount: String
    /// Whether it is mounted read-only.
    package var isReadOnly: Bool

    /// A hierarchy.
    package init(kind: Kind, mount: String = "", isReadOnly: Bool = false) {
        self.kind = kind
        self.mount = mount
        self.isReadOnly = isReadOnly
    }

    /// The hierarchy of this machine: v2 where it has cpuset, else v1, else none.
    ///
    /// - Parameter mount: where to look; nil for all mounts of `/proc/self/mountinfo`.
    package static func detect(_ files: any KernelFiles, mount: String? = nil) -> CgroupHierarchy {
        if var mount {
            while mount.hasSuffix("/") { mount.removeLast() }
            if hasCPUSet(mount, files) { return CgroupHierarchy(kind: .v2, mount: mount) }
            if (try? files.read("\(mount)/cpuset.cpus")) != nil { return CgroupHierarchy(kind: .v1, mount: mount) }
            return CgroupHierarchy(kind: .none)
        }
        let mounts = (try? files.read("/proc/self/mountinfo")).map(Mount.all) ?? []
        if let v2 = mounts.last(where: { $0.type == "cgroup2" && hasCPUSet($0.point, files) }) {
            return CgroupHierarchy(kind: .v2, mount: v2.point, isReadOnly: v2.isReadOnly)
        }
        if let v1 = mounts.last(where: { $0.type == "cgroup" && $0.controllers.contains("cpuset") }) {
            return CgroupHierarchy(kind: .v1, mount: v1.point, isReadOnly: v1.isReadOnly)
        }
        return CgroupHierarchy(kind: .none)
    }

    private static func hasCPUSet(_ mount: String, _ files: any KernelFiles) -> Bool {
        guard let controllers = try? files.read("\(mount)/cgroup.controllers") else { return false }
        return controllers.split(whereSeparator: \.isWhitespace).contains("cpuset")
    }

    /// A cgroup of it.
    func cgroup(_ path: String, _ files: any KernelFiles) -> Cgroup { Cgroup(files: files, mount: mount, path: path) }
}

/// One line of `/proc/self/mountinfo` (kernel `Documentation/filesystems/proc.rst`, section 3.5).
private struct Mount {
    let point: String
    let type: String
    let isReadOnly: Bool
    /// The options of the file system; for cgroup v1 the controllers are among them.
    let controllers: [Substring]

    static func all(_ text: String) -> [Mount] { text.split(separator: "\n").compactMap(Mount.init) }

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 3 < fields.count else { return nil }
        point = Mount.unescaped(fields[4])
        type = String(fields[dash + 1])
        controllers = fields[dash + 3].split(separator: ",")
        isReadOnly = fields[5].split(separator: ",").contains("ro") || controllers.contains("ro")
    }

    /// The kernel writes space, tab, newline and backslash as three octal digits.
    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
