import Glibc
import TestSupport

/// A program of its own process, so that its memory and its CPU time are its own.
struct MeasuredProgram {
    /// What it has used.
    struct Usage {
        /// The most memory at a time, in MB of 10^6 bytes.
        var memory = 0.0
        /// CPU time, in seconds.
        var cpu = 0.0
    }

    private let program: Program

    /// Starts the program that is beside this one.
    ///
    /// - Parameter directory: gets what it prints.
    init(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], directory: TemporaryDirectory
    ) throws {
        program = try Program(
            [try Program.built(name)] + arguments, environment: environment, output: "\(directory.path)/\(name).output")
    }

    var usage: Usage {
        var usage = Usage()
        if let line = read("status").split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let kibibytes = Double(line.filter(\.isNumber))
        {
            usage.memory = kibibytes * 1_024 / 1_000_000
        }
        // After the name in parentheses: fields 12 and 13 are the ticks in user and system mode.
        let fields = read("stat").split(separator: ")").last?.split(separator: " ") ?? []
        if fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) {
            usage.cpu = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        }
        return usage
    }

    private func read(_ file: String) -> String {
        String(decoding: TemporaryDirectory.read("/proc/\(program.pid)/\(file)") ?? [], as: UTF8.self)
    }
}
