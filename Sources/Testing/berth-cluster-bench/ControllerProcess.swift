import Glibc
import TestSupport

/// `berth-cluster controller` in a process of its own, so that its memory and its CPU time are its own.
final class ControllerProcess {
    /// What it has used.
    struct Usage {
        /// The most memory at a time, in MB of 10^6 bytes.
        var memory = 0.0
        /// CPU time, in seconds.
        var cpu = 0.0
    }

    private let directory: TemporaryDirectory
    private let program: Program
    private let metrics: WebClient

    /// Starts the program that is beside this one.
    init(kubeconfig: String) throws {
        directory = try TemporaryDirectory()
        try directory.write(["kubeconfig": kubeconfig])
        let port = try FreePorts.take(1)[0]
        metrics = WebClient(port: port)
        program = try Program(
            [
                try Program.built("berth-cluster"), "controller", "--kubeconfig", "\(directory.path)/kubeconfig",
                "--metrics-bind-address", "127.0.0.1:\(port)", "--health-probe-bind-address", "0",
                "--zap-log-level", "error",
            ], output: "\(directory.path)/output")
    }

    /// How many bindings were decided about; 0 while it does not answer.
    func reconciled() async -> Int {
        let name = #"controller_runtime_reconcile_total{controller="podcpubinding",result="success"} "#
        let lines = await metrics.ask("/metrics")?.text.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix(name) }.flatMap { Int($0.dropFirst(name.count)) } ?? 0
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
