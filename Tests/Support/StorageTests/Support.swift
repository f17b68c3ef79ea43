import CFaultVFS
import CSQLite
import Glibc
import Synchronization
import Testing

@testable import Storage

/// A directory of its own, removed at the end.
final class ScratchDirectory {
    let path: String

    init() throws {
        // In memory where there is such a place: these tests sync thousands of times.
        let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(parent)/berth-storage-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StorageError("create", file: parent, .system(errno)) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The store in it.
    var files: StoreFiles { StoreFiles(directory: "\(path)/state", name: "ledger") }

    deinit {
        for directory in ["\(path)/state", path] {
            for name in names(in: directory) { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
    }
}

/// With `BERTH_EXHAUSTIVE` set, tests that try a sample of bytes try all of them (minutes instead of seconds).
let exhaustive = getenv("BERTH_EXHAUSTIVE") != nil

func names(in directory: String) -> [String] {
    guard let stream = opendir(directory) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
}

func bytes(of path: String) throws -> [UInt8]? { try FileIO.read(path, limit: .max) }

func put(_ bytes: [UInt8], at path: String) throws { try FileIO.writeNew(path, bytes) }

/// A SQLite VFS with faults, under a name of its own.
final class FaultVFS {
    let name: String
    let handle: OpaquePointer
    private static let number = Atomic(0)

    init() throws {
        name = "fault-\(Self.number.add(1, ordering: .relaxed).newValue)"
        handle = try #require(faultvfs_create(name))
    }

    deinit { faultvfs_destroy(handle) }

    /// What was recorded.
    var operations: [Operation] {
        (0..<faultvfs_recorded(handle)).map { Operation(faultvfs_operation_at(handle, $0)) }
    }
}

/// One recorded operation on a file.
struct Operation {
    let kind: Int32
    let isLog: Bool
    let offset: Int
    let size: Int
    let bytes: [UInt8]

    init(_ operation: faultvfs_operation) {
        kind = operation.kind
        isLog = operation.file == Int32(FAULTVFS_WAL)
        offset = Int(operation.offset)
        size = Int(operation.size)
        bytes = operation.bytes.map { Array(UnsafeBufferPointer(start: $0, count: Int(operation.size))) } ?? []
    }

    var isWrite: Bool { kind == Int32(FAULTVFS_WRITE) }
    var isSync: Bool { kind == Int32(FAULTVFS_SYNC) }
    var isTruncate: Bool { kind == Int32(FAULTVFS_TRUNCATE) }
    var isOpen: Bool { kind == Int32(FAULTVFS_OPEN) }
}

/// A payload that tells its number and has the length given.
func payload(_ number: Int, length: Int = 60) -> [UInt8] {
    let text = Array("event \(number) ".utf8)
    return (0..<max(length, text.count)).map {
        $0 < text.count ? text[$0] : UInt8(truncatingIfNeeded: $0 &* 31 &+ number)
    }
}
