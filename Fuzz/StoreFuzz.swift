import Glibc

@testable import Storage

/// The opening of a store: a sound database and its log, changed as the input says. Whatever it finds, it
/// neither traps nor takes made-up records for true.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzStore(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    var (database, log) = (sound.database, sound.log)
    let isRaw = input.byte() & 7 == 7
    if isRaw {
        let split = input.number()
        let all = input.all
        (database, log) = (Array(all.prefix(split)), Array(all.dropFirst(split)))
    }
    var isChanged = isRaw
    while !input.isEmpty, !isRaw {
        let operation = input.byte()
        let place = input.number()
        func change(_ bytes: inout [UInt8]) {
            guard !bytes.isEmpty else { return }
            let place = place % bytes.count
            switch operation / 2 % 4 {
            case 0: bytes[place] ^= 1 << (operation / 8 % 8)
            case 1:
                let patch = input.bytes(Int(operation / 8) + 1)
                bytes.replaceSubrange(place..<min(place + patch.count, bytes.count), with: patch)
            case 2: bytes.removeLast(place)
            default: bytes += Array(bytes[place...].prefix(4120))
            }
        }
        if operation & 1 == 0 { change(&database) } else { change(&log) }
        isChanged = true
    }
    fill(files.database, database)
    fill(files.log, log)
    do throws(StorageError) {
        let recovered = try OpenDatabase(files, payloadLimit: Journal.payloadLimit).recovered
        // Cutting the log gives an earlier state; nothing gives other records.
        require(isRaw || sound.events.starts(with: recovered.events), "records appeared that nobody wrote")
        require(isChanged || recovered.events == sound.events, "the sound store is not read whole")
    } catch {
        require(isChanged, "the sound store is corrupt: \(error)")
    }
    // The last good state, and the form of a row's checksum.
    _ = try? LastGood(input.all, application: StoreFiles.berth, file: "x")
    return 0
}

/// A directory in memory, where there is one.
private func makeDirectory() -> String {
    let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(parent)/berth-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { fatalError("no directory: \(errno)") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

private func fill(_ path: String, _ bytes: [UInt8]) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(descriptor) }
    require(write(descriptor, bytes, bytes.count) == bytes.count, "cannot write")
}

/// The store whose files each input changes.
private let files: StoreFiles = {
    atexit {
        for path in [files.database, files.log] { unlink(path) }
        rmdir(files.directory)
    }
    return StoreFiles(directory: makeDirectory(), name: "ledger")
}()

/// A store with a few records in the database and a few in the log.
private let sound: (database: [UInt8], log: [UInt8], events: [[UInt8]]) = {
    let directory = makeDirectory()
    let files = StoreFiles(directory: "\(directory)/state", name: "ledger")
    let events = (0..<6).map {
        Array("{\"removed\":[\"service:\($0)\"]}".utf8) + [UInt8](repeating: 0x20, count: $0 * 40)
    }
    do {
        let (journal, _) = try Journal.open(files)
        try journal.append(Array(events.prefix(3)))
        try journal.maintain(above: 0)
        for event in events.dropFirst(3) { try journal.append([event]) }
        guard let database = try FileIO.read(files.database, limit: 1 << 20),
            let log = try FileIO.read(files.log, limit: 1 << 20)
        else { fatalError("no files") }
        for path in [files.database, files.log, files.marker, files.lastGood] { unlink(path) }
        rmdir(files.directory)
        rmdir(directory)
        return (database, log, events)
    } catch { fatalError("\(error)") }
}()
