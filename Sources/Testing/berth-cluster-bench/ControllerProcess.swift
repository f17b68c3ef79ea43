import TestSupport

/// `berth-cluster controller`.
final class ControllerProcess {
    private let directory: TemporaryDirectory
    private let program: MeasuredProgram
    private let metrics: WebClient

    init(kubeconfig: String) throws {
        directory = try TemporaryDirectory()
        try directory.write(["kubeconfig": kubeconfig])
        let port = try FreePorts.take(1)[0]
        metrics = WebClient(port: port)
        program = try MeasuredProgram(
            "berth-cluster",
            [
                "controller", "--kubeconfig", "\(directory.path)/kubeconfig",
                "--metrics-bind-address", "127.0.0.1:\(port)", "--health-probe-bind-address", "0",
                "--zap-log-level", "error",
            ], directory: directory)
    }

    var usage: MeasuredProgram.Usage { program.usage }

    /// How many bindings were decided about; 0 while it does not answer.
    func reconciled() async -> Int {
        let name = #"controller_runtime_reconcile_total{controller="podcpubinding",result="success"} "#
        let lines = await metrics.ask("/metrics")?.text.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix(name) }.flatMap { Int($0.dropFirst(name.count)) } ?? 0
    }
}
