import Glibc
import Ledger

/// The cgroups of pods and containers, as the kubelet and the container runtime have made them. They are found by their names,
/// anywhere in the hierarchy: no path is made up.
struct PodTree: Equatable, Sendable {
    /// The cgroup of a pod.
    struct Pod: Equatable, Sendable {
        /// Its uid, with hyphens.
        let uid: String
        /// Its path.
        let path: String
        /// Whether it is in a tree of the kubelet's.
        let isKubelets: Bool
    }

    /// How far below the root it is looked, and at how many cgroups.
    private static let depthLimit = 32
    private static let countLimit = 65_536

    /// The cgroups of pods, those above before those below.
    private(set) var pods: [Pod] = []
    /// The cgroups of containers by the digits of their ids.
    private(set) var containers: [String: String] = [:]
    /// Where a cgroup of a pod may appear: the kubelet's cgroups, those above them, and those at the top.
    private(set) var nurseries: [String] = []

    /// No cgroups.
    init() {}

    /// Looks through the whole hierarchy but for `skipped`.
    init(_ files: any KernelFiles, _ hierarchy: CgroupHierarchy, skipping skipped: String) {
        guard hierarchy.kind != .none else { return }
        var level = [hierarchy.cgroup("/", files)]
        var count = 0
        var nurseries: Set<String> = []
        for depth in 0...Self.depthLimit where !level.isEmpty {
            var next: [Cgroup] = []
            for cgroup in level {
                if depth <= 1, !Self.isService(cgroup.path) { nurseries.insert(cgroup.path) }
                for name in cgroup.childNames {
                    let child = cgroup.child(name)
                    guard child.path != skipped, count < Self.countLimit else { continue }
                    count += 1
                    note(child.path, name, &nurseries)
                    next.append(child)
                }
            }
            level = next
        }
        self.nurseries = nurseries.sorted()
    }

    private mutating func note(_ path: String, _ name: String, _ nurseries: inout Set<String>) {
        if let uid = Self.uid(of: name) {
            pods.append(Pod(uid: uid, path: path, isKubelets: path.contains("kubepods")))
        } else if let digits = Self.container(name) {
            // A runtime's monitor of a container has the container's id too.
            if containers[digits] == nil, !name.contains("conmon") { containers[digits] = path }
        } else if name.contains("kubepods") {
            nurseries.insert(path)
            nurseries.insert(Self.parent(path))
        }
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// Whether systemd keeps services or sessions there, which come and go all the time.
    private static func isService(_ path: String) -> Bool { path == "/system.slice" || path == "/user.slice" }

    /// The uid of the pod whose cgroup has this name, `pod<uid>` or `…-pod<uid>.slice`; nil where it is none of a pod.
    static func uid(of name: String) -> String? {
        let stem = name.hasSuffix(".slice") ? name.utf8.dropLast(6) : name.utf8[...]
        let separators: [UInt8?] = [nil, UInt8(ascii: "-"), UInt8(ascii: "_")]
        for length in [36, 32] {
            let head = stem.dropLast(length)
            guard head.suffix(3).elementsEqual("pod".utf8), separators.contains(head.dropLast(3).last) else { continue }
            let text = String(decoding: stem.suffix(length), as: UTF8.self)
            let uid = String(text.map { $0 == "_" ? "-" : $0 })
            if PodReference.isUID(uid) { return uid }
        }
        return nil
    }

    /// The 64 hexadecimal digits in the name of a container's cgroup: `<id>`, `cri-containerd-<id>.scope`, `crio-<id>`.
    static func container(_ name: String) -> String? {
        var stem = Substring(name)
        if stem.hasSuffix(".scope") { stem = stem.dropLast(6) }
        let digits = stem.utf8.suffix(64)
        guard digits.count == 64, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            return nil
        }
        let head = stem.dropLast(64)
        return head.isEmpty || head.hasSuffix("-") ? String(Substring(digits)) : nil
    }

    /// The uid of the pod that a cgroup is in; nil where it is in none that was found.
    func uid(above path: String) -> String? { pods.last { path.hasPrefix($0.path + "/") }?.uid }
}

extension Cgroup {
    /// The names of the cgroups directly below. What is there may be a file: its name is told from a cgroup's without looking.
    fileprivate var childNames: [String] {
        guard mayHaveChildren, let names = try? files.entries(file("").dropSlash) else { return [] }
        return names.filter { !isFile($0) && !Self.otherFiles.contains($0) }.sorted()
    }

    /// Files of cgroup v1 without a controller's prefix.
    private static let otherFiles: Set<String> = ["tasks", "notify_on_release", "release_agent"]
}

extension String {
    fileprivate var dropSlash: String { hasSuffix("/") ? String(dropLast()) : self }
}
