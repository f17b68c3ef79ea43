import ClusterStandIn
import NodeAgent
import TestSupport
import Testing

/// The program `berth-node`.
@Suite struct ProgramTests {
    private static func run(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> (status: Int32?, text: String) {
        try await Program.run([try Program.built("berth-node")] + arguments, environment: environment)
    }

    @Test("W36: a wrong value of actimanager's flags ends it with an exit status and the reference's text")
    func wrong() async throws {
        for (arguments, text) in [
            (["-container-runtime=cri-o"], "unknown runtime cri-o"),
            (["--cgroups-driver", "other"], "unknown cgroups driver other"),
            (["-reconcile-period", "soon"], "could not parse reconcile period: time: invalid duration"),
            (["--reconcile-period=0"], "could not parse reconcile period: "),
            (["--reconcile-period=-5s"], "could not parse reconcile period: "),
            (["--verbosity", "9"], "--verbosity is a number from 0 to 5"),
            (["--no-such-flag"], "no-such-flag"),
            (["-tls-cert=/x"], "--tls-client-ca"),
            (["--insecure-grpc", "--tls-cert", "x"], "excludes"),
            (["--tls-certificate", "/x", "--tls-key", "/x", "--tls-client-ca", "/x"], "/x"),
        ] {
            let (status, output) = try await Self.run(["-node-name", "n1"] + arguments)
            #expect(status != 0 && output.contains(text), "\(arguments): \(status as Any) \(output)")
        }
        let nameless = try await Self.run([])
        #expect(nameless.status != 0 && nameless.text.contains("NODE_NAME"))
    }

    @Test("durations are read as Go reads them")
    func durations() throws {
        for (text, seconds) in [
            ("15s", 15), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25), ("0", 0), ("-2s", -2), (".5s", 0.5),
            ("+1s", 1),
        ] as [(String, Double)] {
            #expect(try abs(GoDuration.seconds(text) - seconds) < 1e-9, "\(text)")
        }
        for text in ["", "s", "15", "1 s", "1x", "--1s", ".s", "1s2", "é"] {
            #expect(throws: GoDuration.Failure.self) { try GoDuration.seconds(text) }
        }
    }

    @Test("it follows the cluster of its kubeconfig, with the reference's flags, and ends orderly on SIGTERM")
    func serves() async throws {
        let directory = try TemporaryDirectory()
        try await TestCluster.serving { cluster async throws -> Void in
            try TemporaryDirectory.write(Array(cluster.kubeconfig.utf8), to: "\(directory.path)/config")
            let program = try Program(
                [
                    try Program.built("berth-node"), "-container-runtime", "kind", "-cgroups-path=/cgroup",
                    "--cgroups-driver", "cgroupfs", "-reconcile-period", "15s", "-verbosity=5", "--insecure-grpc",
                    "--listen", "127.0.0.1:0", "--berthd", "\(directory.path)/berth.sock",
                ], environment: ["NODE_NAME": "n1", "KUBECONFIG": "\(directory.path)/config"],
                output: "\(directory.path)/output")
            #expect(try await program.prints("following the cluster"))
            #expect(try await program.prints("berthd does not answer"))
            for option in ["container-runtime", "cgroups-path", "cgroups-driver", "reconcile-period"] {
                #expect(program.text.contains("option=\(option)"), "\(program.text)")
            }
            program.signal(15)
            #expect(try await program.end() == 0, "\(program.text)")
            #expect(program.text.contains("claims stay"))
        }
    }
}
