import KubernetesClient
import TestSupport
import Testing

@Suite struct ValueTests {
    private func json(_ text: String) throws -> JSONValue { try JSONValue(Array(text.utf8)) }

    @Test("an object keeps every member that no property knows when others are changed")
    func unknownMembers() throws {
        var pod = Pod(
            json: try json(
                #"{"kind":"Pod","new":{"a":1.50},"metadata":{"name":"p","labels":{"a":"b"},"x":[null]},"spec":{"y":1}}"#
            ))
        pod.nodeName = "n1"
        pod.metadata.labels["c"] = "d"
        pod.metadata.finalizers = ["f"]
        pod.metadata.annotations = [:]
        let expected = try json(
            #"{"kind":"Pod","new":{"a":1.50},"metadata":{"name":"p","labels":{"a":"b","c":"d"},"x":[null],"#
                + #""finalizers":["f"]},"spec":{"y":1,"nodeName":"n1"}}"#)
        #expect(pod.json == expected)
        pod.metadata.finalizers = []
        pod.metadata.labels = [:]
        #expect(pod.json["metadata"] == ["name": "p", "x": [.null]])
    }

    @Test("members that are missing, null or of another type read as nil or empty")
    func missing() throws {
        for text in [
            "{}", #"{"metadata":null,"spec":null,"status":null}"#, #"{"metadata":[],"spec":3,"status":"x"}"#, "[1]",
        ] {
            let value = try json(text)
            let pod = Pod(json: value)
            #expect(pod.metadata.name.isEmpty && pod.metadata.labels.isEmpty && pod.metadata.namespace == nil)
            #expect(pod.nodeName == nil && pod.containers.isEmpty && pod.phase == nil && !pod.isReady)
            #expect(Node(json: value).internalIP == nil && Node(json: value).allocatable.isEmpty)
            #expect(Lease(json: value).holderIdentity == nil && Lease(json: value).renewTime == nil)
            #expect(NodeCPUTopology(json: value).topology == nil && PodCPUBinding(json: value).cpuSet.isEmpty)
            #expect(PodCPUBinding(json: value).exclusivenessLevel == nil)
        }
    }

    @Test("a pod shows its containers, their resources and their state")
    func pod() throws {
        let pod = Pod(
            json: try json(
                """
                {"metadata":{"name":"web-0","namespace":"shop","uid":"u1","deletionTimestamp":"2026-01-31T08:15:00Z"},
                "spec":{"nodeName":"n1","schedulerName":"maestro","containers":[{"name":"a","resources":
                {"requests":{"cpu":"1500m","memory":"1Gi"},"limits":{"cpu":2}}}]},
                "status":{"phase":"Running","qosClass":"Burstable","conditions":[{"type":"Ready","status":"True"}],
                "containerStatuses":[{"name":"a","containerID":"containerd://0a","ready":true,"restartCount":2,
                "state":{"running":{"startedAt":"x"}}}]}}
                """))
        #expect(pod.key == ObjectKey(namespace: "shop", name: "web-0") && "\(pod.key)" == "shop/web-0")
        #expect(pod.metadata.isBeingDeleted && pod.isReady && pod.phase == .running && !pod.isFinished)
        let container = try #require(pod.containers.first)
        #expect(container.requests["cpu"]?.milli == 1500 && container.requests["memory"]?.value == 1 << 30)
        #expect(container.limits["cpu"]?.value == 2)
        let status = try #require(pod.containerStatuses.first)
        #expect(status.containerID == "containerd://0a" && status.isReady && status.isRunning)
        #expect(status.restartCount == 2 && !status.isTerminated)
    }

    @Test("what a node reports of a claim reads as it was written, and a patch removes what it does not say")
    func nodeReport() throws {
        let claim = PodCPUBinding.Claim(
            podUID: "u", cpus: "2-3", exclusivenessLevel: .core, exclusive: "2-3", memoryNodes: [0, 1])
        var binding = PodCPUBinding(name: "b", namespace: "a")
        #expect(binding.claim == nil && binding.nodeReport == nil && binding.holds.isEmpty && binding.podUID == nil)
        binding.claim = claim
        binding.holds = [.init(cpus: "2-3", exclusivenessLevel: .core)]
        let report = PodCPUBinding.NodeReport(
            .refused, claim: claim, held: claim, containers: ["containerd://0a"], message: "no")
        binding.nodeReport = report
        let copy = PodCPUBinding(json: try JSONValue(binding.json.bytes))
        #expect(copy.claim == claim && copy.nodeReport == report && copy.holds == binding.holds)
        #expect(
            PodCPUBinding.patch(reporting: .init(.released))
                == .merge([
                    "status": [
                        "node": ["state": "Released", "containers": [], "message": "", "claim": .null, "held": .null]
                    ]
                ]))
        #expect(PodCPUBinding.patch(reporting: nil) == .merge(["status": ["node": .null]]))
        for garbage in [#"{"podUID":"u"}"#, #"{"podUID":"u","cpus":"2","exclusivenessLevel":"Rack"}"#, "[]", "3"] {
            binding.json["status"] = ["claim": try json(garbage), "node": try json(garbage)]
            #expect(binding.claim == nil && binding.nodeReport == nil)
        }
    }

    @Test("a topology reads as the CRD says, in ascending order, and writes what reads the same")
    func topology() throws {
        var object = NodeCPUTopology(
            json: try json(
                """
                {"spec":{"nodeName":"n","topology":{"cpus":[0,4,1],"numaNodes":{"1":{"cpus":[1]},"0":{"cpus":[0,4]}},
                "sockets":{"10":{"cpus":null,"cores":{}},"2":{"cpus":[0,4],"cores":{"7":{"cpus":[4]},"0":{"cpus":[0]}}}}}},
                "status":{"resourceStatus":"Fresh","internalIP":"10.0.0.1"}}
                """))
        let topology = try #require(object.topology)
        #expect(topology.sockets.map(\.id) == [2, 10] && topology.sockets[0].cores.map(\.id) == [0, 7])
        #expect(topology.numaNodes.map(\.id) == [0, 1] && topology.cpus == [0, 4, 1])
        #expect(object.resourceStatus == .fresh && object.internalIP == "10.0.0.1")
        object.topology = topology
        #expect(object.topology == topology)
        for wrong in [#"{"sockets":{"x":{}}}"#, #"{"cpus":["0"]}"#, #"{"numaNodes":[]}"#, "3"] {
            #expect(NodeCPUTopology(json: ["spec": ["topology": try json(wrong)]]).topology == nil, "\(wrong)")
        }
    }

    @Test("a binding reads and writes CPUs, level and status as the CRD spells them")
    func binding() throws {
        var binding = PodCPUBinding(name: "web-0-pcb", namespace: "shop")
        binding.podName = "web-0"
        binding.cpuSet = [3, 1, 1]
        binding.exclusivenessLevel = .numa
        let expected = try json(
            #"{"apiVersion":"cslab.ece.ntua.gr/v1alpha1","kind":"PodCPUBinding","metadata":{"name":"web-0-pcb","#
                + #""namespace":"shop"},"spec":{"podName":"web-0","cpuSet":[{"cpuID":3},{"cpuID":1},{"cpuID":1}],"#
                + #""exclusivenessLevel":"NUMA"}}"#)
        #expect(binding.json == expected && binding.resourceStatus == nil)
        binding.resourceStatus = .validated
        #expect(binding.resourceStatus?.holdsCPUs == true && binding.json["status"]?["resourceStatus"] == "Validated")
    }

    @Test(
        "quantities read as Kubernetes spells them, rounded up to thousandths",
        arguments: [
            ("500m", 500), ("2", 2000), ("1.5", 1500), ("0", 0), ("1Ki", 1_024_000), ("1e3", 1_000_000),
            ("1E3", 1_000_000), ("2k", 2_000_000), ("1n", 1), ("1500u", 2), ("-1", -1000), ("+1", 1000), (".5", 500),
            ("1.", 1000), ("1Ei", Int.max), ("99999999999999999999999", Int.max), ("0.0000000000000000000000001", 1),
            ("1e-100", 1), ("1e999999", Int.max), ("0e99", 0),
        ])
    func quantities(text: String, milli: Int) { #expect(Quantity(text)?.milli == milli) }

    @Test(
        "what is no quantity is none",
        arguments: ["", "m", "1x", "1 ", " 1", "1.2.3", "1KI", "--1", "e3", "1e", "1ee3"])
    func noQuantity(text: String) { #expect(Quantity(text) == nil) }

    @Test(
        "times read with any offset and fraction, and write as Kubernetes spells them",
        arguments: [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z"),
            ("2026-01-31T08:15:00.123456789Z", "2026-01-31T08:15:00.123456Z"),
            ("2024-02-29T23:59:59+02:00", "2024-02-29T21:59:59.000000Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ])
    func times(text: String, written: String) throws {
        let time = try #require(Timestamp(text))
        #expect("\(time)" == written && Timestamp(written) == time)
    }

    @Test(
        "what is no time is none",
        arguments: [
            "", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
            "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx",
        ])
    func noTime(text: String) { #expect(Timestamp(text) == nil) }

    @Test("every day of four centuries has one spelling")
    func calendar() throws {
        var previous = try #require(Timestamp("1899-12-31T12:00:00Z"))
        for _ in 0..<146_097 {
            let next = Timestamp(microseconds: previous.microseconds + 86_400_000_000)
            #expect(Timestamp(next.seconds) == next)
            previous = next
        }
        #expect(previous.seconds == "2299-12-31T12:00:00Z")
    }
}
