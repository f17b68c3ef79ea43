import Glibc
import Kernel
import Service
import Synchronization

/// Files in memory, by path.
final class MapFiles: KernelFiles {
    struct State {
        var files: [String: String] = [:]
        /// What reading a path fails with.
        var unreadable: [String: Int32] = [:]
        /// What writing a path fails with.
        var unwritable: [String: Int32] = [:]
        /// Every write that succeeded, in order.
        var writes: [String] = []
    }

    let state: Mutex<State>

    init(_ files: [String: String] = [:]) { state = Mutex(State(files: files)) }

    subscript(path: String) -> String? {
        get { state.withLock { $0.files[path] } }
        set { state.withLock { $0.files[path] = newValue } }
    }

    func refuse(_ path: String, errno: Int32?) { state.withLock { $0.unwritable[path] = errno } }
    func hide(_ path: String, errno: Int32?) { state.withLock { $0.unreadable[path] = errno } }
    var all: [String: String] { state.withLock { $0.files } }
    var writes: [String] { state.withLock { $0.writes } }

    func read(_ path: String) throws(SystemError) -> String {
        let (text, error) = state.withLock { ($0.files[path], $0.unreadable[path]) }
        if let error { throw SystemError("read \(path)", errno: error) }
        guard let text else { throw SystemError("open \(path)", errno: missing(path)) }
        return text
    }

    func write(_ text: String, to path: String) throws(SystemError) {
        let error: Int32? = state.withLock { state in
            if let error = state.unwritable[path] { return error }
            guard state.files[path] != nil else { return ENOENT }
            // As the kernel: what is no mask is refused, also where none is left.
            guard
                text.utf8.contains(where: { $0 >= 0x31 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x66 })
                    || text.contains("0") && path.hasSuffix("list")
            else { return EINVAL }
            state.files[path] = text + "\n"
            state.writes.append("\(path) \(text)")
            return nil
        }
        if let error { throw SystemError("write \(path)", errno: error) }
    }

    func entries(_ path: String) throws(SystemError) -> [String] {
        let prefix = path + "/"
        let (names, error) = state.withLock { state in
            let names = state.files.keys.filter { $0.hasPrefix(prefix) }.map {
                String($0.dropFirst(prefix.count).prefix { $0 != "/" })
            }
            return (Set(names), state.unreadable[path])
        }
        if let error { throw SystemError("open \(path)", errno: error) }
        guard !names.isEmpty else { throw SystemError("open \(path)", errno: missing(path)) }
        return Array(names)
    }

    func makeDirectory(_ path: String) throws(SystemError) { throw SystemError("make \(path)", errno: EROFS) }
    func removeDirectory(_ path: String) throws(SystemError) { throw SystemError("remove \(path)", errno: EROFS) }

    /// Why there is nothing at `path`.
    private func missing(_ path: String) -> Int32 {
        let isBelowFile = state.withLock { state in
            var parts = path.split(separator: "/")
            while !parts.isEmpty {
                parts.removeLast()
                if state.files["/" + parts.joined(separator: "/")] != nil { return true }
            }
            return false
        }
        return isBelowFile ? ENOTDIR : ENOENT
    }
}

/// The files of the machine that runs the test, to read.
struct RealFiles: KernelFiles {
    func read(_ path: String) throws(SystemError) -> String {
        String(decoding: try readBytes(path), as: UTF8.self)
    }

    func write(_ text: String, to path: String) throws(SystemError) { throw SystemError("write \(path)", errno: EROFS) }

    func entries(_ path: String) throws(SystemError) -> [String] {
        guard let stream = opendir(path) else { throw SystemError("open \(path)", errno: errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    func makeDirectory(_ path: String) throws(SystemError) { throw SystemError("make \(path)", errno: EROFS) }
    func removeDirectory(_ path: String) throws(SystemError) { throw SystemError("remove \(path)", errno: EROFS) }
}
