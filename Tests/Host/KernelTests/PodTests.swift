import Ledger
import Machine
import Synchronization
import TestSupport
import Testing

@testable import Kernel

/// Pods, in the cgroups of whoever made them.
@Suite("Pods") struct PodTests {
    static let uid = "0a1b2c3d-0000-4000-8000-000000000001"
    static let other = "0a1b2c3d-0000-4000-8000-000000000002"
    static let main = String(repeating: "a", count: 64)
    static let side = String(repeating: "b", count: 64)
    static let pause = String(repeating: "c", count: 64)

    /// Where the kubelets and runtimes keep a pod and its containers.
    enum Layout: CaseIterable {
        case systemd, cgroupfs, docker, crio, kind, kindOld

        func pod(_ uid: String, _ kind: String = "burstable") -> String {
            let escaped = uid.map { $0 == "-" ? "_" : String($0) }.joined()
            return switch self {
            case .systemd, .docker, .crio: "/kubepods.slice/kubepods-\(kind).slice/kubepods-\(kind)-pod\(escaped).slice"
            case .cgroupfs: "/kubepods/\(kind)/pod\(uid)"
            case .kind:
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-\(kind).slice/kubelet-kubepods-\(kind)-pod\(escaped).slice"
            case .kindOld: "/docker/\(String(repeating: "d", count: 64))/kubelet/kubepods/\(kind)/pod\(uid)"
            }
        }

        func container(_ uid: String, _ id: String) -> String {
            switch self {
            case .systemd, .kind: "\(pod(uid))/cri-containerd-\(id).scope"
            case .cgroupfs, .kindOld: "\(pod(uid))/\(id)"
            case .docker: "\(pod(uid))/docker-\(id).scope"
            case .crio: "\(pod(uid))/crio-\(id).scope"
            }
        }
    }

    static func claim(
        _ cpus: CPUSet, exclusive: CPUSet? = nil, uid: String = uid, name: String = "pod",
        containers: [String] = [main, side], minimum: Isolation = .cpuset, memoryNodes: [Int] = []
    ) throws -> Claim {
        let found = containers.enumerated().compactMap { index, id in
            PodReference.Container(name: "c\(index)", id: "containerd://\(id)")
        }
        let pod = try #require(PodReference(uid: uid, containers: found))
        let level: Exclusiveness = exclusive?.isEmpty ?? false ? .none : .cpu
        return Claim(
            // As the test's host names claims.
            holder: Holder(kind: .run, name: name), owner: .administrators, pool: Pool.machine,
            grants: [Grant(cpus: cpus, exclusive: exclusive, level: level)], memoryNodes: memoryNodes,
            enforcement: Enforcement(EnforcementRequest(minimum: minimum, pod: pod), phase: .preparing))
    }

    @Test(
        "W7: a pod's containers are found in the trees of all runtimes, and kept on the claim's CPUs, with the pod's own cgroup"
    )
    func confines() throws {
        for kernel in FakeCgroups.Kernel.allCases {
            for layout in Layout.allCases {
                var test = TestKernel(kernel)
                let files = test.files
                for id in [Self.main, Self.side, Self.pause] { files.addCgroup(layout.container(Self.uid, id)) }
                files.addCgroup(layout.container(Self.other, String(repeating: "e", count: 64)))
                files.addProcess(42, in: layout.container(Self.uid, Self.main))
                let before = files.snapshot
                try test.enforce(try Self.claim([2, 3]))
                let effective = kernel == .v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"
                let inside =
                    [layout.pod(Self.uid)] + [Self.main, Self.side, Self.pause].map { layout.container(Self.uid, $0) }
                for path in inside {
                    #expect(files.file("\(path)/\(effective)") == "2-3\n", "\(kernel) \(layout) \(path)")
                }
                // The other pod has no claim.
                #expect(files.file("\(layout.pod(Self.other))/\(effective)") == "0-1,4-15\n", "\(kernel) \(layout)")
                let claim = try #require(test.ledger[Holder(kind: .run, name: "pod")])
                #expect(test.enforcer.containers(of: claim).map(\.state) == [.confined, .confined])
                #expect(
                    test.enforcer.containers(of: claim).map(\.cgroup)
                        == [Self.main, Self.side].map { layout.container(Self.uid, $0) })
                try test.release("pod")
                if kernel == .v1 {
                    #expect(files.snapshot == before, "\(layout)")
                } else {
                    // The kernel does not empty the mask of a cgroup with processes.
                    for path in inside {
                        #expect(files.file("\(path)/\(effective)") == "0-15\n", "\(kernel) \(layout)")
                    }
                    #expect(files.snapshot[layout.pod(Self.other)] == before[layout.pod(Self.other)])
                }
                #expect(!files.log.contains { $0.hasPrefix("make ") || $0.hasPrefix("remove ") })
                #expect(test.pods.load() == nil)
            }
        }
    }

    @Test("W11: a container that is not there yet is no failure: it is confined when it appears, and so is a pod")
    func appears() throws {
        for kernel in FakeCgroups.Kernel.allCases {
            var test = TestKernel(kernel)
            let layout = Layout.systemd
            test.files.addCgroup("/kubepods.slice/kubepods-burstable.slice")
            try test.enforce(try Self.claim([2, 3]))
            let claim = try #require(test.ledger[Holder(kind: .run, name: "pod")])
            #expect(test.enforcer.containers(of: claim).map(\.state) == [.missing, .missing])
            for id in [Self.main, Self.side] { test.files.addCgroup(layout.container(Self.uid, id)) }
            test.files.addCgroup(layout.container(Self.other, String(repeating: "e", count: 64)))
            #expect(test.enforcer.differences(of: [claim]).count == 1)
            #expect(Set(test.enforcer.followPods()).isSuperset(of: [layout.container(Self.uid, Self.main)]))
            try test.verify("pod")
            #expect(test.enforcer.containers(of: claim).map(\.state) == [.confined, .confined])
            let effective = kernel == .v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"
            #expect(test.files.file("\(layout.pod(Self.other))/\(effective)") == "0-1,4-15\n")
            try test.release("pod")
            for path in [layout.pod(Self.uid), layout.pod(Self.other), layout.container(Self.uid, Self.main)] {
                #expect(test.files.file("\(path)/\(effective)") == "0-15\n", "\(kernel) \(path)")
            }
        }
    }

    @Test("cgroups that the kubelet makes while a claim is being enforced are no failure, whenever they come")
    func arrivals() throws {
        for kernel in FakeCgroups.Kernel.allCases {
            let layout = Layout.systemd
            let late = [layout.container(Self.uid, Self.main), layout.container(Self.other, Self.side)]
            var number = 1
            while true {
                var test = TestKernel(kernel)
                test.files.addCgroup(layout.pod("0a1b2c3d-0000-4000-8000-000000000003"))
                test.files.addCgroup(layout.container(Self.uid, Self.pause))
                test.files.change { $0.arrivals = [number: late] }
                try test.enforce(try Self.claim([2, 3], containers: [Self.main]))
                if test.files.changes < number { break }
                let claim = try #require(test.ledger[Holder(kind: .run, name: "pod")])
                #expect(test.enforcer.differences(of: [claim]).isEmpty, "\(kernel), change \(number)")
                let effective = kernel == .v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"
                #expect(test.files.file("\(late[0])/\(effective)") == "2-3\n", "\(kernel), change \(number)")
                #expect(test.files.file("\(late[1])/\(effective)") == "0-1,4-15\n", "\(kernel), change \(number)")
                number += 1
            }
            #expect(number > 2)
        }
    }

    @Test("W1, W26: of pods only cpusets are written, so that quotas and weights stay; W32: with v1 memory moves along")
    func cpusetsOnly() throws {
        for kernel in FakeCgroups.Kernel.allCases {
            var test = TestKernel(kernel)
            let layout = Layout.systemd
            let container = layout.container(Self.uid, Self.main)
            for path in [container, layout.pod(Self.other)] { test.files.addCgroup(path) }
            try test.enforce(try Self.claim([2, 3], containers: [Self.main], memoryNodes: [1]))
            let written = test.files.log.compactMap { action in
                action.split(separator: " ").first { $0.contains("/kubepods.slice/") }
            }
            let files = Set(written.compactMap { $0.split(separator: "/").last.map(String.init) })
            let expected: Set = ["cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate", "cgroup.subtree_control"]
            #expect(files.isSubset(of: expected) && files.contains("cpuset.cpus"), "\(kernel): \(files)")
            guard kernel == .v1 else { continue }
            let ofPod = written.filter { $0.contains("\(layout.pod(Self.uid))/cpuset.mem") }
            let order = ofPod.compactMap { $0.split(separator: "/").last.map(String.init) }
            #expect(order == ["cpuset.memory_migrate", "cpuset.mems", "cpuset.memory_migrate"], "\(ofPod)")
        }
    }

    @Test("a claim changes its CPUs and its pod's containers in one step, and a refused change leaves it as it was")
    func changes() throws {
        for kernel in FakeCgroups.Kernel.allCases {
            var test = TestKernel(kernel)
            let layout = Layout.cgroupfs
            let effective = kernel == .v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"
            for id in [Self.main, Self.side] { test.files.addCgroup(layout.container(Self.uid, id)) }
            test.files.addCgroup(layout.container(Self.other, String(repeating: "e", count: 64)))
            test.files.addProcess(42, in: layout.container(Self.uid, Self.main))
            try test.enforce(try Self.claim([2, 3], containers: [Self.main], memoryNodes: [1]))
            #expect(test.files.file("\(layout.pod(Self.uid))/cpuset.mems") == "1\n")
            let next = try Self.claim([4, 5, 6], containers: [Self.side])
            try test.change("pod") {
                $0.grants = next.grants
                $0.enforcement?.request.pod = next.enforcement?.request.pod
            }
            #expect(test.files.file("\(layout.pod(Self.uid))/\(effective)") == "4-6\n")
            #expect(test.files.file("\(layout.container(Self.uid, Self.main))/\(effective)") == "4-6\n")
            #expect(test.files.file("\(layout.pod(Self.other))/\(effective)") == "0-3,7-15\n")
            // Each write of a change fails once.
            let changes = test.files.changes
            for failure in 1...4 {
                let snapshot = test.files.snapshot
                test.files.change { $0.failures = [$0.changes + failure: false] }
                _ = try? test.change("pod") { $0.grants = [Grant(cpus: [8])] }
                test.files.change { $0.failures = [:] }
                if test.ledger[Holder(kind: .run, name: "pod")]?.cpus == [4, 5, 6] {
                    #expect(test.files.snapshot == snapshot, "\(kernel) \(failure)")
                }
            }
            #expect(test.files.changes > changes)
            try test.release("pod")
            #expect(test.files.file("\(layout.pod(Self.other))/\(effective)") == "0-15\n")
        }
    }

    @Test("a shared claim of a pod keeps no other pod off its CPUs")
    func shared() throws {
        var test = TestKernel(.linux612)
        test.files.addCgroup(Layout.systemd.container(Self.uid, Self.main))
        test.files.addCgroup(Layout.systemd.pod(Self.other))
        try test.enforce(try Self.claim([2, 3], exclusive: []))
        #expect(test.files.file("\(Layout.systemd.pod(Self.uid))/cpuset.cpus.effective") == "2-3\n")
        #expect(test.files.file("\(Layout.systemd.pod(Self.other))/cpuset.cpus") == "\n")
    }

    @Test("programs have their partition beside pods, and neither gets what the other has")
    func besideRuns() throws {
        for kernel in PartitionTests.v2 {
            var test = TestKernel(kernel)
            test.files.addCgroup(Layout.systemd.container(Self.uid, Self.main))
            try test.enforce(try Self.claim([2, 3], exclusive: []))
            #expect(try test.enforce(TestKernel.claim("a", [4, 5])).isolation == .partition)
            // CPUs that the pod shares cannot leave for the partition.
            let refused = try test.enforcer.plan(
                TestKernel.claim("b", [3], exclusive: []), in: test.ledger)
            #expect(refused.limit?.contains("run:pod has CPUs 3 outside a partition") ?? false, "\(refused)")
            // And what is in the partition is no pod's.
            #expect(throws: EnforcementError("CPUs 5 are in a partition, where no pod is")) {
                try test.enforcer.plan(
                    try Self.claim([5], exclusive: [], uid: Self.other), in: test.ledger)
            }
            try test.release("a")
            try test.release("pod")
        }
    }

    @Test("what somebody else has set since stays, and what a pod had of its own is given back")
    func others() throws {
        var test = TestKernel(.linux612)
        let layout = Layout.systemd
        test.files.addCgroup(layout.container(Self.uid, Self.main))
        for uid in [Self.uid, Self.other] { test.files.addCgroup(layout.pod(uid)) }
        test.files.poke("0-7", to: "\(layout.pod(Self.other))/cpuset.cpus")
        test.files.poke("0-5", to: "\(layout.container(Self.uid, Self.main))/cpuset.cpus")
        try test.enforce(try Self.claim([2, 3], containers: [Self.main]))
        #expect(test.files.file("\(layout.pod(Self.other))/cpuset.cpus") == "0-1,4-7\n")
        test.files.poke("1,4", to: "\(layout.pod(Self.other))/cpuset.cpus")
        try test.release("pod")
        #expect(test.files.file("\(layout.pod(Self.other))/cpuset.cpus") == "1,4\n")
        #expect(test.files.file("\(layout.container(Self.uid, Self.main))/cpuset.cpus") == "0-5\n")
    }

    @Test("a pod that had a claim of its own beside another one's gets everything back in the end")
    func backFromBoth() throws {
        var test = TestKernel(.linux612)
        let layout = Layout.systemd
        let container = layout.container(Self.other, Self.side)
        for path in [layout.container(Self.uid, Self.main), container] { test.files.addCgroup(path) }
        test.files.addProcess(42, in: container)
        try test.enforce(try Self.claim([2, 3], containers: [Self.main]))
        try test.enforce(
            try Self.claim(
                [7], exclusive: [], uid: Self.other, name: "other", containers: [Self.side], memoryNodes: [0]))
        #expect(test.files.file("\(layout.pod(Self.other))/cpuset.cpus.effective") == "7\n")
        try test.release("other")
        #expect(test.files.file("\(layout.pod(Self.other))/cpuset.cpus.effective") == "0-1,4-15\n")
        test.settle()
        try test.release("pod")
        #expect(test.files.file("\(layout.pod(Self.other))/cpuset.cpus.effective") == "0-15\n")
        #expect(test.files.file("\(container)/cpuset.cpus.effective") == "0-15\n")
    }

    @Test("two claims cannot be of one pod")
    func twice() throws {
        var test = TestKernel(.linux612)
        try test.enforce(try Self.claim([2, 3]))
        var other = try Self.claim([4, 5])
        other = Claim(
            holder: Holder(kind: .run, name: "other"), owner: .administrators, grants: other.grants,
            enforcement: other.enforcement)
        var refusal: String?
        do throws(EnforcementError) { try test.enforce(other) } catch { refusal = error.description }
        #expect(refusal == "the pod \(Self.uid) is that of the claim run:pod")
    }

    @Test("an isolation that no pod can have is refused with the reason")
    func minimum() throws {
        #expect(throws: EnforcementError.self) {
            try TestKernel(.linux612).enforcer.plan(try Self.claim([2], minimum: .partition), in: Ledger())
        }
        let files = FakeCgroups(.linux612)
        files.change { $0.isReadOnly = true }
        #expect(throws: EnforcementError.self) {
            try TestKernel(files).enforcer.plan(try Self.claim([2]), in: Ledger())
        }
    }

    @Test("names of pods' and containers' cgroups are told from all others")
    func names() {
        let escaped = Self.uid.map { $0 == "-" ? "_" : String($0) }.joined()
        #expect(PodTree.uid(of: "pod\(Self.uid)") == Self.uid)
        #expect(PodTree.uid(of: "kubepods-burstable-pod\(escaped).slice") == Self.uid)
        let hash = String(repeating: "0f", count: 16)
        #expect(PodTree.uid(of: "kubepods-pod\(hash).slice") == hash)
        for name in [
            "pod", "kubepods.slice", "xpod\(Self.uid)", "pod\(Self.uid)x", "pod0\(Self.uid)", "tripod-\(hash)",
        ] {
            #expect(PodTree.uid(of: name) == nil, "\(name)")
        }
        #expect(PodTree.container("cri-containerd-\(Self.main).scope") == Self.main)
        #expect(PodTree.container(Self.main) == Self.main)
        for name in ["a\(Self.main)", String(Self.main.dropLast()), "\(Self.main).service", "é", ""] {
            #expect(PodTree.container(name) == nil, "\(name)")
        }
    }

    @Test(
        "W30: systemd is told what its units get where it may have set their CPUs itself, and of what they had when the claim ends"
    )
    func units() throws {
        for layout in [Layout.systemd, .cgroupfs, .kindOld] {
            var test = TestKernel(.linux612)
            let path = layout.container(Self.uid, Self.main)
            for id in [Self.main, Self.side] { test.files.addCgroup(layout.container(Self.uid, id)) }
            test.files.poke("0-5", to: "\(path)/cpuset.cpus")
            try test.enforce(try Self.claim([2, 3]))
            // The other container's unit has no such property, and systemd leaves its file alone.
            let unit = "cri-containerd-\(Self.main).scope"
            #expect(test.units.asked.withLock { $0 } == (layout == .systemd ? [unit: [2, 3]] : [:]), "\(layout)")
            try test.release("pod")
            #expect(test.units.asked.withLock { $0 } == (layout == .systemd ? [unit: CPUSet(0...5)] : [:]))
            #expect(test.files.file("\(path)/cpuset.cpus") == "0-5\n")
        }
    }

    @Test("W31: CPUs that the kubelet gives by itself are no claim's, and what it has set stays")
    func kubelet() throws {
        let state = """
            {"policyName":"static","defaultCpuSet":"0-1,4-15","entries":{"\(Self.other)":{"app":"2-3"}},"checksum":1}
            """
        let files = MapFiles([KubeletCPUs.path: state])
        let kubelet = try #require(KubeletCPUs.read(files))
        #expect(kubelet == KubeletCPUs(shared: CPUSet(0...15).subtracting([2, 3]), pods: [Self.other: [2, 3]]))
        #expect(kubelet.obstacle([3, 4], nil)?.contains("CPUs 3 to pods") ?? false)
        #expect(kubelet.obstacle([4], Self.other)?.contains("has given the pod CPUs 2-3") ?? false)
        #expect(kubelet.obstacle([4, 5], Self.uid) == nil)
        #expect(KubeletCPUs.read(MapFiles([KubeletCPUs.path: #"{"policyName":"none"}"#])) == nil)
        #expect(KubeletCPUs.read(MapFiles([KubeletCPUs.path: "what"])) == nil)

        var record = PodRecord(bootID: "b")
        record.pods[Self.uid] = PodConfinement(uid: Self.uid, cpus: [4, 5], containers: [Self.main])
        func plan(_ cpus: CPUSet, _ record: PodRecord) -> PodPlan {
            let node = PodPlan.Node(
                path: "/kubepods/a", isKubelets: false, claimed: Self.uid, masks: PodRecord.Masks(cpus: cpus))
            return PodPlan(
                record, [node], isV1: false, online: CPUSet(0...15), all: CPUSet(0...15), kubelet: kubelet)
        }
        // What it has given before the claim is changed once; what it gives later stays.
        let first = plan(kubelet.shared, record)
        #expect(first.writes.map(\.value) == [[4, 5]])
        let settled = plan([4, 5], first.record)
        #expect(settled.writes.isEmpty)
        #expect(plan(kubelet.shared, settled.record).writes.isEmpty)
        // Anybody else's is set again, and is what the container has afterwards.
        let repaired = plan([7], settled.record)
        #expect(repaired.writes.map(\.value) == [[4, 5]] && repaired.record.changes["/kubepods/a"]?.before.cpus == [7])
    }

    @Test("messages to systemd are those of D-Bus, and bytes that are no message are none")
    func messages() throws {
        #expect(BusMessage.bitmap([0, 3, 9]) == [9, 2] && BusMessage.bitmap([]) == [])
        let call = BusMessage.call(
            7, to: "a.b", path: "/a", interface: "a.b.C", member: "Do", signature: "sba(sv)",
            body: BusMessage.properties(of: "x.scope", [("AllowedCPUs", [2, 3])]))
        #expect(BusMessage.length(Array(call.prefix(16))) == call.count && call.count % 1 == 0)
        let read = try #require(BusMessage(call))
        #expect(read.kind == .call && read.text == "x.scope" && read.replySerial == nil)
        for cut in 0..<call.count { #expect(BusMessage(Array(call.prefix(cut))) == nil) }
        var random = SeededRandom(seed: 3)
        for _ in 0..<5_000 {
            var bytes = call
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = BusMessage(bytes)
        }
    }

    @Test("a record is read as it was written, and nothing else is one")
    func record() throws {
        var record = PodRecord(bootID: "boot-1")
        record.off = [2, 3]
        record.pods[Self.uid] = PodConfinement(
            uid: Self.uid, cpus: [2, 3], memoryNodes: [0], containers: [Self.main, Self.side])
        record.changes["/kube pods/a"] = PodRecord.Change(
            before: PodRecord.Masks(cpus: []), after: PodRecord.Masks(cpus: [2, 3], mems: [0]),
            former: PodRecord.Masks(cpus: [4], mems: [1]))
        #expect(PodRecord(text: record.text) == record)
        for text in ["", "off 2", "boot x\ncgroup /a 1 - was 2", "boot x\npod a cpus 1", "boot x\nwhat"] {
            #expect(PodRecord(text: text) == nil, "\(text)")
        }
    }
}
