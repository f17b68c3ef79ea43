import Machine
import Synchronization
import TestSupport

/// Files that record what is read.
final class CountingFiles: MachineFiles {
    private struct Log {
        var paths: [String] = []
        var listed: [String] = []
    }

    private let files: any MachineFiles
    private let log = Mutex(Log())

    init(_ files: any MachineFiles) { self.files = files }

    var reads: Int { log.withLock { $0.paths.count } }
    var paths: [String] { log.withLock { $0.paths } }
    var listed: [String] { log.withLock { $0.listed } }

    func read(_ path: String) -> [UInt8]? {
        log.withLock { $0.paths.append(path) }
        return files.read(path)
    }

    func entries(of directory: String) -> [String]? {
        log.withLock { $0.listed.append(directory) }
        return files.entries(of: directory)
    }
}

/// Files whose content is random, each byte of each answer drawn anew but the same for the same seed and path.
struct RandomFiles: MachineFiles {
    let seed: UInt64
    let base: CapturedFiles
    /// One in so many reads is corrupt.
    let rarity: UInt64

    private func random(_ path: String) -> SeededRandom {
        SeededRandom(seed: path.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    }

    func read(_ path: String) -> [UInt8]? {
        var random = random(path)
        guard random.next() % rarity == 0 else { return base.read(path) }
        let original = base.read(path) ?? []
        // Few files appear from nowhere: a reader that a list sends to thousands of CPUs should mostly find none.
        if original.isEmpty, random.next() % 16 != 0 { return nil }
        let alphabet = Array("0123456789,-:/ \n\0xf()null".utf8)
        switch random.next() % 8 {
        case 0: return nil
        case 1: return []
        case 2: return (0..<(random.next() % 40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        case 3: return (0..<(random.next() % 40)).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        case 4: return Array(original.prefix(Int(random.next() % UInt64(original.count + 1))))
        case 5: return original + original
        case 6: return Array((random.next() % 64 == 0 ? "0-65535" : "0-200").utf8)
        default:
            var corrupt = original
            for _ in 0...(random.next() % 3) where !corrupt.isEmpty {
                corrupt[Int(random.next() % UInt64(corrupt.count))] =
                    alphabet[Int(random.next() % UInt64(alphabet.count))]
            }
            return corrupt
        }
    }

    func entries(of directory: String) -> [String]? {
        var random = random(directory)
        guard random.next() % rarity == 0 else { return base.entries(of: directory) }
        switch random.next() % 4 {
        case 0: return nil
        case 1: return []
        case 2:
            return [
                "node0", "node99999999999999999999", "node", "hugepages-kB", "hugepages-1kB", "cpu70000", "cpu-1", "é",
            ]
        default: return (base.entries(of: directory) ?? []) + ["node7", "node7", "hugepages-2048kB"]
        }
    }
}
