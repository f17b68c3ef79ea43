import TestSupport

/// `berthd` and `berth-node` of one node, as programs. The machine is simulated.
final class NodePrograms {
    private let directory: TemporaryDirectory
    private let daemon: MeasuredProgram
    private let agent: MeasuredProgram

    init(_ name: String, kubeconfig: String) throws {
        directory = try TemporaryDirectory()
        try directory.write(["kubeconfig": kubeconfig])
        let path = directory.path
        daemon = try MeasuredProgram(
            "berthd",
            [
                "serve", "--simulate", "--state-dir", "\(path)/state", "--socket", "\(path)/epa.sock",
                "--http-socket", "\(path)/berth.sock", "--log-level", "error",
            ], directory: directory)
        agent = try MeasuredProgram(
            "berth-node",
            [
                "--node-name", name, "--berthd", "\(path)/berth.sock", "--listen",
                "127.0.0.1:\(try FreePorts.take(1)[0])",
                "--verbosity", "0",
            ], environment: ["KUBECONFIG": "\(path)/kubeconfig"], directory: directory)
    }

    /// What `berth-node` has used.
    var usage: MeasuredProgram.Usage { agent.usage }
}
