import Glibc
import KubernetesClient
import SystemPackage

/// The control groups of pods, as a kubelet with the systemd driver and containerd name them.
struct CgroupTree: Sendable {
    /// Where they are mounted.
    let root: String

    /// The directory of a pod.
    func directory(of pod: Pod) -> String {
        let uid = pod.metadata.uid.map { $0 == "-" ? "_" : $0 }.map(String.init).joined()
        return switch pod.qosClass {
        case "Guaranteed": "\(root)/kubepods.slice/kubepods-pod\(uid).slice"
        case "BestEffort":
            "\(root)/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod\(uid).slice"
        default: "\(root)/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod\(uid).slice"
        }
    }

    /// The directory of a container of a pod.
    func directory(of container: String, in pod: Pod) -> String {
        "\(directory(of: pod))/cri-containerd-\(container).scope"
    }

    /// Makes a directory with those above it, and hands the cpuset controller down to it.
    func make(_ directory: String) throws(DemoFailure) {
        var path = root
        for name in directory.dropFirst(root.count).split(separator: "/") {
            try write("+cpuset", to: "\(path)/cgroup.subtree_control")
            path += "/\(name)"
            guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw DemoFailure("make \(path)", errno) }
        }
    }

    /// Kills what runs in a directory, and removes it with those below it.
    func remove(_ directory: String) {
        try? write("1", to: "\(directory)/cgroup.kill")
        for _ in 0..<200 {
            for child in children(directory) { _ = rmdir("\(directory)/\(child)") }
            if rmdir(directory) == 0 || errno == ENOENT { return }
            usleep(10_000)
        }
    }

    private func children(_ directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if entry.pointee.d_type == UInt8(DT_DIR), !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    private func write(_ text: String, to path: String) throws(DemoFailure) {
        do {
            let file = try FileDescriptor.open(FilePath(path), .writeOnly)
            try file.closeAfter { _ = try file.writeAll(text.utf8) }
        } catch {
            throw DemoFailure("write \(path): \(error)")
        }
    }
}

/// What went wrong.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
    init(_ what: String, _ code: Int32) { description = "\(what): \(String(cString: strerror(code)))" }
}
