import Bindings
import ClusterStandIn
import KubernetesClient
import TestSupport
import Testing
import WireJSON

@testable import Cluster

/// An extender that ends in the middle of a bind, and the one after it.
@Suite struct ExtenderRestartTests {
    /// Leaves a binding whose pod is not bound, and nobody who knows of it.
    private func interrupted(_ site: ExtenderSite, _ pod: JSONValue) async throws {
        let extender = try await RunningExtender(site)
        site.server.faults = Faults([.init(.disconnect, resources: ["pods/binding"])])
        #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "))
        #expect(site.binding("p-pcb") != nil, "it may be bound still")
        await extender.stop()
        site.server.faults = Faults()
    }

    @Test(
        "a binding whose pod is not bound yet counts after a restart, and its pod finds it again",
        .timeLimit(.minutes(1)))
    func again() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let pod = site.makePod("p", cpus: "3")
            try await interrupted(site, pod)
            let before = site.binding("p-pcb")?.metadata.uid
            let extender = try await RunningExtender(site)
            let other = site.makePod("q")
            #expect(
                try await extender.filter(other)["FailedNodes"]?["n"]
                    == "not enough cores, request: 2000m, available: 1000m")
            #expect(try await extender.filter(pod)["NodeNames"] == ["n"])
            #expect(try await extender.bind(pod) == "")
            #expect(site.pod("p")?.nodeName == "n" && site.binding("p-pcb")?.metadata.uid == before)
            await extender.stop()
        }
    }

    @Test(
        "a pod that a late request may still bind goes to another node only once its binding is taken back",
        .timeLimit(.minutes(1)))
    func elsewhere() async throws {
        try await ExtenderSite.serving(nodes: ["n": 8, "m": 8]) { site async throws -> Void in
            let pod = site.makePod("p", cpus: "3")
            try await interrupted(site, pod)
            let first = try await RunningExtender(site)
            let refused = try await first.bind(pod, to: "m")
            #expect(
                refused
                    == #"failed to bind pod: an earlier request may still bind pod "p" to node "n"; it is tried again"#)
            let filtered = try await first.filter(pod, ["m", "n"])
            #expect(filtered["NodeNames"] == ["n"] && filtered["FailedAndUnresolvableNodes"]?["m"] != nil)
            #expect(site.allBindings.map(\.chosenNode) == ["n"])
            await first.stop()
            let extender = try await RunningExtender(site, grace: .milliseconds(300))
            #expect(try await eventually { try await extender.bind(pod, to: "m") == "" })
            #expect(site.allBindings.map(\.chosenNode) == ["m"] && site.pod("p")?.nodeName == "m")
            #expect(try await extender.bind(site.makePod("q", cpus: "3"), to: "n") == "")
            await extender.stop()
        }
    }

    @Test("a pod that is bound late, by an extender that has ended, has its CPUs", .timeLimit(.minutes(1)))
    func late() async throws {
        try await ExtenderSite.serving(nodes: ["n": 8, "m": 8]) { site async throws -> Void in
            let pod = site.makePod("p")
            let first = try await RunningExtender(site)
            site.server.faults = Faults([.init(.delay(8...8), resources: ["pods/binding"])])
            #expect(try await first.bind(pod).hasPrefix("failed to bind pod: "))
            await first.stop()
            let extender = try await RunningExtender(site)
            #expect(try await extender.bind(pod, to: "m").hasPrefix("failed to bind pod: "))
            #expect(try await eventually(seconds: 60) { site.pod("p")?.nodeName != nil })
            #expect(site.pod("p")?.nodeName == "n" && site.binding("p-pcb")?.chosenNode == "n")
            await extender.stop()
        }
    }

    @Test("a binding whose pod is never bound is taken back, and not that of a pod that is", .timeLimit(.minutes(1)))
    func takenBack() async throws {
        try await ExtenderSite.serving(nodes: ["n": 8, "m": 8]) { site async throws -> Void in
            try await interrupted(site, site.makePod("p"))
            let extender = try await RunningExtender(site, grace: .milliseconds(300))
            #expect(try await extender.bind(site.makePod("q"), to: "m") == "")
            #expect(try await eventually { site.binding("p-pcb") == nil })
            #expect(try await eventually { extender.extender.takenBack == 1 })
            try await Task.sleep(for: .milliseconds(600))
            #expect(site.binding("q-pcb") != nil && extender.extender.known.pending == 0)
            await extender.stop()
        }
    }

    @Test("a choice whose binding came to nothing does not count for ever", .timeLimit(.minutes(1)))
    func pending() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, grace: .milliseconds(300))
            site.server.faults = Faults([.init(.disconnect, verbs: ["create", "get"], resources: ["podcpubindings"])])
            #expect(
                try await extender.bind(site.makePod("p", cpus: "3")).hasPrefix("failed to create pod cpu binding: "))
            #expect(extender.extender.known.pending == 1, "it may still come")
            site.server.faults = Faults()
            #expect(try await eventually { extender.extender.known.pending == 0 })
            #expect(try await extender.bind(site.makePod("q", cpus: "3")) == "")
            await extender.stop()
        }
    }

    @Test(
        "what is known survives an API server that is away, restarts and forgets its history", .timeLimit(.minutes(1)))
    func serverAway() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            #expect(try await extender.bind(site.makePod("p", cpus: "3")) == "")
            let next = site.makePod("q")
            await site.server.stop()
            #expect(try await extender.filter(next)["NodeNames"] == [])
            #expect(try await extender.bind(next).hasPrefix("failed to"))
            try await site.server.restart(keepsHistory: false)
            site.deletePod("p")
            #expect(try await eventually(seconds: 40) { try await extender.bind(next) == "" })
            #expect(site.allBindings.map(\.podName) == ["q"])
            await extender.stop()
        }
    }
}
