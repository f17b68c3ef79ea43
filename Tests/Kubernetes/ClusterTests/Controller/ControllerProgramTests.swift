import ClusterStandIn
import TestSupport
import Testing

@testable import Cluster

/// What operators give a controller, and see of it.
@Suite struct ControllerProgramTests {
    @Test("flags may be written as Go's programs take them")
    func goFlags() {
        let words = [
            "controller", "-leader-elect", "--zap-devel=false", "-metrics-bind-address=:1",
            "--health-probe-bind-address",
            ":2", "--leader-elect=true", "-x", "--other=true", "-leader-elect=maybe", "--",
        ]
        #expect(
            GoFlags.normalized(
                words, options: ["metrics-bind-address", "health-probe-bind-address"],
                flags: ["leader-elect", "zap-devel"])
                == [
                    "controller", "--leader-elect", "--metrics-bind-address=:1", "--health-probe-bind-address", ":2",
                    "--leader-elect", "-x", "--other=true", "--leader-elect=maybe", "--",
                ])
    }

    @Test("an outage of the API server is logged, and its end too, once for each kind of objects")
    func outage() async throws {
        try await Stage.running { stage in
            let log = LogLines()
            let running = try RunningController(stage, log: log)
            let kinds: Set = ["pods", "nodes", "nodecputopologies", "podcpubindings"]
            #expect(try await eventually { running.controller.isReady })
            #expect(log.all.isEmpty)
            await stage.server.stop()
            #expect(
                try await eventually {
                    Set(log.all).isSuperset(of: kinds.map { "warning: a copy is not up to date \($0)" })
                })
            #expect(!log.all.contains { $0.hasPrefix("notice") })
            try await stage.server.start()
            let ends = kinds.map { "notice: the copy is up to date again \($0)" }
            #expect(try await eventually { Set(log.all).isSuperset(of: ends) })
            #expect(log.all.count { $0.hasPrefix("notice") } == kinds.count)
            await running.stop()
        }
    }

    @Test("a controller is alive from its start, ready once it has read the cluster, and counts what it does")
    func health() async throws {
        try await Stage.running { stage in
            stage.createFilled(node: "n")
            stage.create(binding: "b", pod: "p", [0])
            stage.server.faults = Faults([.init(.refuse(503), users: ["one"], verbs: ["list"], resources: ["pods"])])
            let running = try RunningController(stage)
            func answer(_ path: String, _ method: String = "GET") -> ServedAnswer {
                ControllerPaths.respond(to: ServedRequest(method: method, path: path, body: []), running.controller)
            }
            #expect(answer("/healthz").status == 200 && answer("/readyz").status == 503)
            stage.server.faults = Faults()
            #expect(try await eventually { answer("/readyz").status == 200 })
            try await stage.expect("b", "PodNotFound PodNotFound")
            #expect(
                try await eventually {
                    let text = String(decoding: answer("/metrics").body, as: UTF8.self)
                    return [
                        #"berth_controller_bindings{status="PodNotFound"} 1"#,
                        #"berth_controller_topologies{status="Fresh"} 1"#, "berth_controller_leads 1",
                        #"controller_runtime_reconcile_total{controller="nodecputopology",result="error"} 0"#,
                        #"workqueue_depth{name="podcpubinding"} 0"#,
                    ].allSatisfy { text.contains("\($0)\n") }
                })
            let metrics = try PrometheusText(String(decoding: answer("/metrics").body, as: UTF8.self))
            #expect(metrics.count >= 8)
            #expect(answer("/metrics", "POST").status == 405 && answer("/").status == 404)
            await running.stop()
        }
    }
}
