import Kernel
import Ledger
import Machine
import TestSupport
import Testing

@Suite("Steps as text")
struct StepTextTests {
    @Test("a step is a line that an operator can read, and reads back as the same step")
    func forms() {
        let process = ProcessIdentity(id: 4242, startTime: 10_533, bootID: "6a1f")
        let place = PartitionPlace(slice: "/berth.slice", claims: "/berth.slice/claims")
        let path = "/berth.slice/claims/run-a\\x2fb"
        let texts: [(KernelStep, String)] = [
            (
                .prepare(path: "/berth.slice/claims", controllers: ["cpuset", "hugetlb"]),
                "prepare /berth.slice/claims with cpuset,hugetlb"
            ),
            (.tidy(path: "/berth.slice/claims"), "tidy /berth.slice/claims"),
            (
                .tidy(path: "/berth.slice/claims", below: "/berth.slice"),
                "tidy /berth.slice/claims below /berth.slice"
            ),
            (.grow([4, 5, 6, 7], place), "partition +4-7 root /berth.slice for /berth.slice/claims"),
            (.shrink([4, 6], place), "partition -4,6 root /berth.slice for /berth.slice/claims"),
            (
                .cgroup(
                    ClaimCgroup(
                        path: path, cpus: [4, 5], memoryNodes: [1], pages: [PageLimit(size: "2MB", bytes: 4_194_304)])),
                "cgroup \(path) cpus 4-5 mems 1 pages 2MB=4194304"
            ),
            (.remove(path: path, refuge: "/user.slice/a b%"), "remove \(path) to /user.slice/a%20b%25"),
            (.isolate(path: path, exclusive: []), "isolate \(path)"),
            (.isolate(path: path, exclusive: [4, 5]), "isolate \(path) remote 4-5"),
            (.balance(path: path), "balance \(path)"),
            (.move(process, to: path), "move 4242@10533 boot 6a1f to \(path)"),
            (.giveBack(process, from: path, to: "/", masks: []), "return 4242@10533 boot 6a1f from \(path) to /"),
            (
                .giveBack(process, from: path, to: "/", masks: [ThreadMask(cpus: [0, 1], threads: [4242, 4243])]),
                "return 4242@10533 boot 6a1f from \(path) to / 0-1:4242,4243"
            ),
            (.pin(process, [4]), "pin 4242@10533 boot 6a1f to 4"),
            (
                .unpin(
                    process, [4],
                    ThreadAffinity(process: CPUSet(0...7), others: [ThreadMask(cpus: [2, 3], threads: [5, 6])])),
                "unpin 4242@10533 boot 6a1f from 4 to 0-7 2-3:5,6"
            ),
            (.nothing, "nothing"),
        ]
        for (step, text) in texts {
            #expect(step.text == text)
            #expect(KernelStep(text: text) == step)
        }
        for kind in [PartitionPlace.Kind.remote, .apart] {
            let step = KernelStep.grow([1], PartitionPlace(slice: "/a", claims: "/a/b", kind: kind))
            #expect(step.text == "partition +1 \(kind.rawValue) /a for /a/b" && KernelStep(text: step.text) == step)
        }
    }

    @Test("text that is no step is no step, whatever it is")
    func garbage() {
        let texts = [
            "", " ", "partition", "partition 4-7 root /a for /b", "partition +x root /a for /b",
            "partition +4 leaf /a for /b",
            "move 0@1 boot x to /a", "move 1@-1 boot x to /a", "move 1 boot x to /a", "move 1@2 boot x to", "cgroup /a",
            "cgroup /a cpus", "cgroup /a cpus 1 mems", "cgroup /a cpus 1 pages 2MB", "cgroup /a cpus 1 pages ../x=1",
            "cgroup /a cpus 1 pages 2MB=-1", "remove /a to %", "remove /a to %zz", "remove /a to %00",
            "remove /a  to /b",
            "prepare /a with ../b", "nothing at all", "return 1@2 boot x from /a", "return 1@2 boot x from /a to /b 1",
            "return 1@2 boot x from /a to /b 1:", "unpin 1@2 boot x from 1 to",
            "unpin 1@2 boot x from 1 to 2 3:0", "pin 99999999999999999999@1 boot x to 1",
        ]
        for text in texts { #expect(KernelStep(text: text) == nil, "\(text)") }
        var random = SeededRandom(seed: 7)
        let words = [
            "cgroup", "move", "/a", "to", "from", "1@2", "boot", "%20", "+4", "-4", "root", "for", "cpus", "1", "=",
            ":", ",",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            .joined(separator: " ")
            if let step = KernelStep(text: text) { #expect(KernelStep(text: step.text) == step, "\(text)") }
        }
    }

    @Test("the name of a claim's cgroup is the holder's, escaped like systemd does, and never too long")
    func names() {
        let plan = KernelPlan(state: KernelState(hierarchy: CgroupHierarchy(kind: .none), online: [0]))
        func name(_ kind: Holder.Kind, _ name: String) -> String {
            String(plan.path(of: Holder(kind: kind, name: name)).dropFirst("/berth.slice/claims/".count))
        }
        #expect(name(.run, "engine-1.2_x:y") == "run-engine-1.2_x:y")
        #expect(name(.pod, "space/pod") == "pod-space\\x2fpod")
        #expect(name(.service, "a b\\é\n") == "service-a\\x20b\\x5c\\xc3\\xa9\\x0a")
        #expect(name(.run, "") == "run-" && name(.run, "..") == "run-..")
        let long = String(repeating: "/", count: 400)
        #expect(name(.run, long).utf8.count <= 200 && name(.run, long) != name(.run, long + "x"))
        #expect(name(.run, String(repeating: "a", count: 196)).utf8.count == 200)
        #expect(name(.run, String(repeating: "a", count: 197)).utf8.count == 200)
    }
}
