import Service
import Synchronization

/// Files of the kernel, each of which is read once at most: for a look at many claims that share files. What it says is as old
/// as its first look. Writes are passed on, and are not seen here: whether an interrupt can be moved is asked by one.
final class ReadOnceFiles: KernelFiles {
    private let files: any KernelFiles
    private let texts = Mutex<[String: Result<String, SystemError>]>([:])

    private let names = Mutex<[String: Result<[String], SystemError>]>([:])

    init(_ files: any KernelFiles) { self.files = files }

    func read(_ path: String) throws(SystemError) -> String {
        if let known = texts.withLock({ $0[path] }) { return try known.get() }
        let text = Result { () throws(SystemError) in try files.read(path) }
        texts.withLock { $0[path] = text }
        return try text.get()
    }

    func entries(_ path: String) throws(SystemError) -> [String] {
        if let known = names.withLock({ $0[path] }) { return try known.get() }
        let entries = Result { () throws(SystemError) in try files.entries(path) }
        names.withLock { $0[path] = entries }
        return try entries.get()
    }

    func write(_ text: String, to path: String) throws(SystemError) {
        try files.write(text, to: path)
    }

    func makeDirectory(_ path: String) throws(SystemError) { try files.makeDirectory(path) }

    func removeDirectory(_ path: String) throws(SystemError) { try files.removeDirectory(path) }
}
