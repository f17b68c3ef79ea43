import Glibc
import Machine
import Service

/// The CPU masks of interrupts and workqueues, as files.
enum Masks {
    /// How a file writes a mask.
    enum Form {
        /// `0-3,8`.
        case list
        /// `00000001,0000000f`.
        case hexadecimal
    }

    /// Why a mask cannot be had.
    enum Failure: Error, CustomStringConvertible {
        /// The file cannot be read.
        case system(SystemError)
        /// The file holds something else.
        case malformed(path: String)

        var description: String {
            switch self {
            case .system(let error): error.description
            case .malformed(let path): "\(path) holds no CPU mask"
            }
        }
    }

    static let interrupts = "/proc/irq"
    static let newInterrupts = "/proc/irq/default_smp_affinity"
    static let workqueues = "/sys/devices/virtual/workqueue/cpumask"
    static let onlineCPUs = "/sys/devices/system/cpu/online"

    static func interrupt(_ number: Int) -> String { "/proc/irq/\(number)/smp_affinity_list" }
    static func effective(_ number: Int) -> String { "/proc/irq/\(number)/effective_affinity_list" }

    /// The mask in a file.
    static func read(_ path: String, _ form: Form, _ files: any KernelFiles) throws(Failure) -> CPUSet {
        let text: String
        do { text = try files.read(path) } catch { throw .system(error) }
        let line = text.prefix { $0 != "\n" }
        let mask: CPUSet? =
            switch form {
            case .list: try? CPUSet(list: line)
            case .hexadecimal: try? CPUSet(mask: line)
            }
        guard let mask else { throw .malformed(path: path) }
        return mask
    }

    /// The mask as the file takes it.
    static func text(_ mask: CPUSet, _ form: Form) -> String {
        guard form == .hexadecimal else { return mask.list }
        let count = (mask.last ?? 0) / 32 + 1
        var words = [UInt32](repeating: 0, count: count)
        for cpu in mask { words[cpu / 32] |= 1 << UInt32(cpu % 32) }
        return words.reversed().enumerated().map { index, word in
            let digits = String(word, radix: 16)
            return index == 0 ? digits : String(repeating: "0", count: 8 - digits.count) + digits
        }.joined(separator: ",")
    }

    /// The CPUs that are online; nil where the kernel does not say.
    static func online(_ files: any KernelFiles) -> CPUSet? {
        guard let mask = try? read(onlineCPUs, .list, files), !mask.isEmpty else { return nil }
        return mask
    }

    /// Whether the kernel said that it manages the interrupt itself, or that it cannot move: EIO from Linux 6.1; EPERM from 6.12,
    /// and EACCES without CAP_DAC_OVERRIDE, because nobody may write the file.
    static func isManaged(_ error: SystemError) -> Bool {
        error.errno == EIO || error.errno == EPERM || error.errno == EACCES
    }

    /// Whether the interrupt cannot be moved. Asked with a mask that cannot be read, which changes nothing: the kernel refuses
    /// what it manages before it reads the mask (Linux, `write_irq_affinity`).
    ///
    /// - Parameter path: the file of its mask.
    static func isManaged(_ path: String, _ files: any KernelFiles) -> Bool {
        do throws(SystemError) {
            try files.write("x", to: path)
            return false
        } catch { return isManaged(error) }
    }
}

/// Numbers in a line of text, with runs as `a-b`.
enum NumberList {
    /// The highest number, and the most numbers in one list.
    private static let limit = 1 << 20

    static func text(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers {
            if let last = runs.last, last.upperBound == number - 1 {
                runs[runs.count - 1] = last.lowerBound...number
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    /// The numbers of a list, which must ascend; nil where it is none.
    static func numbers(_ text: Substring) -> [Int]? {
        func number(_ digits: Substring) -> Int? {
            guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(digits),
                number < limit
            else { return nil }
            return number
        }
        var numbers: [Int] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let bounds = item.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            guard let lower = number(bounds[0]), let upper = bounds.count > 1 ? number(bounds[1]) : lower,
                lower <= upper, lower > numbers.last ?? -1
            else { return nil }
            numbers += lower...upper
        }
        return numbers
    }
}
