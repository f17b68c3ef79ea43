import ClusterStandIn
import KubernetesClient
import NodeAgent
import Synchronization
import TestSupport
import Testing

/// The agent on a stand-in for the API server and a fake daemon.
@Suite struct AgentTests {
    private typealias Report = PodCPUBinding.NodeReport

    private func enforced(_ cluster: TestCluster, _ pod: String, _ containers: [Int]) async throws -> Bool {
        try await eventually {
            let report = cluster.report(pod)
            return report?.state == .enforced && report?.claim == cluster.binding(pod)?.claim
                && report?.containers == containers.map { TestCluster.id($0) }
        }
    }

    @Test("W42: a claim is made at once, ready or not; it is changed in one step, and given back when it is taken away")
    func life() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            try await cluster.withAgent { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(try await enforced(cluster, "p", [1]))
                try cluster.claim("p", "5")
                #expect(try await enforced(cluster, "p", [1]))
                try cluster.claim("p", nil)
                #expect(try await eventually { cluster.report("p") == Report(.released) })
                #expect(cluster.host.changes == ["put default/p 2-3", "put default/p 5", "release default/p"])
            }
        }
    }

    @Test("W3, W4: containers that start and restart are pinned when they run, and the report follows")
    func restarts() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [])
            try await cluster.withAgent { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(try await enforced(cluster, "p", []))
                cluster.run("p", [7])
                #expect(try await enforced(cluster, "p", [7]))
                cluster.run("p", [8])
                #expect(try await enforced(cluster, "p", [8]))
            }
        }
    }

    @Test("W35: nothing is written while nothing changes, nor when the agent or the daemon begins anew")
    func quiet() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.topology()
            cluster.pod("p", [1])
            try cluster.claim("p", "2-3")
            try await cluster.withAgent { _ async throws -> Void in
                #expect(try await enforced(cluster, "p", [1]))
                #expect(try await eventually { cluster.published?.resourceStatus == .fresh })
            }
            let writes = cluster.writes(except: "other")
            try await cluster.withAgent { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                cluster.host.set(away: true)
                cluster.host.set(away: false)
                try await cluster.server.restart(keepsHistory: false)
                cluster.pod("other", [9])
                try cluster.claim("other", "5")
                #expect(try await enforced(cluster, "other", [9]))
            }
            #expect(cluster.writes(except: "other") == writes)
            #expect(cluster.host.changes.count { $0 == "put default/p 2-3" } == 1)
        }
    }

    @Test("bindings and pods of other nodes are none of its business")
    func others() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("far", [1], node: "n2")
            try cluster.claim("far", "2-3", node: "n2")
            cluster.pod("p", [2])
            try cluster.claim("p", "5")
            try await cluster.withAgent { agent async throws -> Void in
                #expect(try await enforced(cluster, "p", [2]))
                #expect(cluster.report("far") == nil && cluster.host.changes == ["put default/p 5"])
                #expect(agent.knowsBinding("default", "p") && !agent.knowsBinding("default", "far"))
                let pods = cluster.server.served.filter { $0.target.contains("/pods?") }
                #expect(
                    !pods.isEmpty && pods.allSatisfy { $0.target.contains("fieldSelector=spec.nodeName%3Dn1") }, "W34")
            }
        }
    }

    @Test("a binding that another node gets gives its CPUs back here, and one that comes from there gets them")
    func moved() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            try cluster.claim("p", "5", node: "n2")
            try await cluster.withAgent { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                try cluster.claim("p", "5")
                #expect(try await enforced(cluster, "p", [1]))
                try cluster.claim("p", "5", node: "n2")
                #expect(try await eventually { cluster.host.changes == ["put default/p 5", "release default/p"] })
                #expect(!agent.knowsBinding("default", "p"))
            }
        }
    }

    @Test("W27: a refusal is reported in the daemon's words, and asked again when something on the node changes")
    func refused() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.host.state.withLock { $0.refuses = { _, _ in "CPU 2 is held by run:engine" } }
            cluster.pod("p", [1])
            try await cluster.withAgent { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(
                    try await eventually {
                        let report = cluster.report("p")
                        return report?.state == .refused && report?.message == "CPU 2 is held by run:engine"
                            && report?.claim?.cpus == "2-3" && report?.held == nil
                    })
                // The controller says so, of no node any more.
                cluster.fail("p")
                cluster.host.state.withLock { $0.refuses = { _, _ in nil } }
                cluster.host.tell(others: true)
                #expect(try await enforced(cluster, "p", [1]))
            }
        }
    }

    @Test("what the kernel refuses is asked for again by itself: nothing says when it would work")
    func kernel() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.host.state.withLock { $0.refuses = { _, _ in "no cpuset" } }
            cluster.host.state.withLock { $0.refusalCode = "not_enforceable" }
            cluster.pod("p", [1])
            try await cluster.withAgent { _ async throws -> Void in
                try cluster.claim("p", "2-3")
                #expect(try await eventually { cluster.report("p")?.state == .refused })
                cluster.fail("p")
                cluster.host.state.withLock { $0.refuses = { _, _ in nil } }
                #expect(try await enforced(cluster, "p", [1]))
            }
        }
    }

    @Test("W28, W39: a daemon that hangs over one pod, or refuses it, keeps no other pod waiting")
    func independent() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.host.state.withLock { state in
                state.hanging = [ObjectKey(namespace: "default", name: "a")]
                state.refuses = { pod, _ in pod.name == "b" ? "no" : nil }
            }
            for name in ["a", "b", "c"] {
                cluster.pod(name, [1])
                try cluster.claim(name, "2")
            }
            try await cluster.withAgent { _ async throws -> Void in
                #expect(try await enforced(cluster, "c", [1]))
                #expect(try await eventually { cluster.report("b")?.state == .refused })
                #expect(cluster.report("a") == nil)
            }
        }
    }

    @Test("a daemon that is away is waited for; what waits says why, and what was enforced stays as it is")
    func daemonAway() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("old", [1])
            cluster.pod("new", [2])
            try await cluster.withAgent { _ async throws -> Void in
                try cluster.claim("old", "2")
                #expect(try await enforced(cluster, "old", [1]))
                cluster.host.set(away: true)
                try cluster.claim("new", "3")
                #expect(
                    try await eventually {
                        let report = cluster.report("new")
                        return report?.state == .claiming && report?.message.contains("is berthd running?") == true
                    })
                #expect(cluster.report("old")?.state == .enforced)
                // It comes back without what it had, as after the loss of its state.
                cluster.host.state.withLock { $0.claims = [:] }
                cluster.host.set(away: false)
                #expect(try await enforced(cluster, "new", [2]))
                #expect(try await eventually { cluster.host.state.withLock { $0.claims.count } == 2 })
            }
        }
    }

    @Test("claims whose binding is gone are released, but only when the cluster has said that it is gone")
    func leftOver() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            cluster.pod("left", [2])
            try cluster.claim("p", "2")
            try cluster.claim("left", "3")
            try await cluster.withAgent { _ async throws -> Void in
                #expect(try await enforced(cluster, "p", [1]))
                #expect(try await enforced(cluster, "left", [2]))
            }
            // Without the controller's finalizer it is gone at once, while nobody follows.
            cluster.deleteBinding("left")
            await cluster.server.stop()
            try await cluster.withAgent { _ async throws -> Void in
                cluster.host.tell()
                try await Task.sleep(for: .milliseconds(300))
                #expect(cluster.host.state.withLock { $0.claims.count } == 2)
                try await cluster.server.start()
                #expect(try await eventually { cluster.host.changes.contains("release default/left") })
                #expect(!cluster.host.changes.contains("release default/p"))
            }
        }
    }

    @Test("an API server that is away releases nothing; what happened meanwhile is caught up with")
    func serverAway() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            cluster.pod("q", [3])
            try cluster.claim("p", "2")
            try await cluster.withAgent { _ async throws -> Void in
                #expect(try await enforced(cluster, "p", [1]))
                await cluster.server.stop()
                cluster.host.tell(others: true)
                cluster.run("p", [4])
                try cluster.claim("q", "5")
                try await Task.sleep(for: .milliseconds(200))
                #expect(cluster.host.changes == ["put default/p 2"])
                cluster.server.withCluster { $0.compact() }
                try await cluster.server.start()
                #expect(try await enforced(cluster, "p", [4]))
                #expect(try await enforced(cluster, "q", [3]))
            }
        }
    }

    @Test("a report that the server did not take is written when it does")
    func lostReports() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            cluster.server.faults = Faults(
                [
                    .init(.refuse(503), verbs: ["patch"], probability: 0.5),
                    .init(.loseAnswer, verbs: ["patch"], probability: 0.3),
                ], seed: 5)
            try await cluster.withAgent { _ async throws -> Void in
                for cpu in 1...5 {
                    try cluster.claim("p", "\(cpu)")
                    #expect(try await enforced(cluster, "p", [1]))
                }
            }
        }
    }

    @Test("W29: never do two requests for one pod overlap, whatever changes meanwhile")
    func serial() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.pod("p", [1])
            try await cluster.withAgent { _ async throws -> Void in
                for round in 0..<60 {
                    try cluster.claim("p", round % 7 == 6 ? nil : "\(round % 8)")
                    cluster.run("p", [round + 1])
                    cluster.host.tell([ObjectKey(namespace: "default", name: "p")])
                }
                try cluster.claim("p", "6-7")
                #expect(try await enforced(cluster, "p", [60]))
                #expect(cluster.host.state.withLock { $0.overlaps } == 0)
                #expect(cluster.host.state.withLock { $0.claims.values.map(\.cpus) } == ["6-7"])
            }
        }
    }

    @Test("W33, W44: the machine is published when the controller has made the object, and again when it changes")
    func topology() async throws {
        try await TestCluster.serving { cluster async throws -> Void in
            cluster.host.state.withLock { $0.others = [2, 6] }
            try await cluster.withAgent { agent async throws -> Void in
                #expect(try await eventually { agent.hasSynced })
                #expect(cluster.published?.nodeName != TestCluster.node, "the agent makes none")
                cluster.topology()
                #expect(try await eventually { cluster.published?.resourceStatus == .fresh })
                let published = try #require(cluster.published)
                #expect(published.topology == cluster.host.state.withLock { $0.machine.topology })
                #expect(published.internalIP == "10.0.0.1" && published.reservedCPUs == [0, 4])
                #expect(published.allocatedCPUs == [2, 6])
                #expect(published.observedGeneration == published.metadata.generation)
                cluster.host.state.withLock { $0.others = [] }
                cluster.host.tell(others: true)
                #expect(try await eventually { cluster.published?.allocatedCPUs == [] })
                cluster.host.state.withLock { state in
                    state.machine.online = [0, 1, 2, 3, 4, 5, 6]
                    state.machine.cores[3] = [3]
                }
                cluster.host.tellMachine()
                #expect(
                    try await eventually {
                        let published = cluster.published
                        return published?.topology?.cpus == Array(0..<7) && published?.resourceStatus == .fresh
                            && published?.observedGeneration == published?.metadata.generation
                    })
            }
        }
    }
}
