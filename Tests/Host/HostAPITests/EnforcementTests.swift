import Dispatch
import Glibc
import Host
import HostAPI
import Kernel
import Ledger
import LedgerStore
import Synchronization
import TestSupport
import Testing
import WireJSON

/// Claims that the kernel enforces, and a disk that hangs.
@Suite struct EnforcementTests {
    /// A kernel that does everything but what is impossible, and remembers whom it moved.
    private final class Kernel: Enforcer {
        let moved = Mutex<[Int]>([])

        func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
            guard claim.enforcement?.request.minimum != .partition else {
                throw EnforcementError("a sibling cgroup has these CPUs")
            }
            if let process = claim.enforcement?.request.process { moved.withLock { $0.append(process.id) } }
            var plan = EnforcementPlan(steps: [EnforcementStep(action: "do", undo: "undo")], isolation: .cpuset)
            plan.limit = "a sibling cgroup has these CPUs"
            return plan
        }
        func apply(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {
            if holder.name == "refused" { throw EnforcementError("cpuset.cpus: Device or resource busy") }
        }
        func undo(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {}
        func verify(_ claim: Claim) throws(EnforcementError) {}
    }

    @Test("a PUT that asks for enforcement is answered once the kernel was read back; sent again it is accepted")
    func enforced() async throws {
        let kernel = Kernel()
        try await TestAPI.serving(enforcer: kernel) { api in
            let body =
                #"{"cpus":{"cores":1,"smt":"whole"},"lease":{"process":true},"enforcement":{"minimum":"cpuset","process":"self"}}"#
            let made = try api.put("run/a", body)
            #expect(made.status == 201 && made["enforcement"]?["phase"]?.string == "active")
            #expect(made["enforcement"]?["isolation"]?.string == "cpuset")
            let warnings = made["effects"]?["warnings"]?.array?.map(\.string)
            #expect(warnings == ["the isolation is cpuset, not partition: a sibling cgroup has these CPUs"])
            #expect(kernel.moved.withLock { $0 } == [Int(getpid())])
            let again = try api.put("run/a", body)
            #expect(again.status == 200 && again.version == made.version)
            #expect(try api.put("run/a", #"{"cpus":{"count":1}}"#).code == "enforced")
            try api.put("run/r", #"{"cpus":{"count":1}}"#)
            #expect(try api.put("run/r", #"{"cpus":{"count":1},"enforcement":{}}"#).code == "recorded")
            #expect(try api.ask("DELETE", "/v1/claims/run/a").status == 200)
            #expect(api.host.ledger[Holder(kind: .run, name: "a")] == nil)
        }
    }

    @Test(
        "the process that is moved and the one whose end is waited for are the same, even where its id is used anew meanwhile"
    )
    func sameProcess() async throws {
        let looks = Mutex(0)
        let lookup: ProcessLookup = { pid in
            let start = looks.withLock { looks in
                looks += 1
                return looks
            }
            return FoundProcess(identity: ProcessIdentity(id: pid, startTime: start, bootID: "boot"), uid: getuid())
        }
        try await TestAPI.serving(enforcer: Kernel(), providers: { $0.processes = lookup }) { api in
            let made = try api.put(
                "run/a", #"{"cpus":{"count":1},"lease":{"process":true},"enforcement":{"process":"self"}}"#)
            #expect(made.status == 201)
            let moved = made["enforcement"]?["process"]?["start_time"]?.integer
            #expect(moved != nil && made["lease"]?["process"]?["start_time"]?.integer == moved)
        }
    }

    @Test("a pod's claim says what became of each container; what names no pod or container is refused")
    func pods() async throws {
        try await TestAPI.serving(enforcer: Kernel()) { api in
            let id = "containerd://" + String(repeating: "0f", count: 32)
            func body(_ pod: String, _ cpus: String = "2") -> String {
                #"{"cpus":{"list":"\#(cpus)","level":"core"},"memory_nodes":[0],"enforcement":{"minimum":"cpuset","pod":\#(pod)}}"#
            }
            let uid = #""uid":"0a1b2c3d-0000-4000-8000-000000000001""#
            let good = #"{\#(uid),"containers":[{"name":"main","id":"\#(id)"}]}"#
            let made = try api.put("pod/default%2Fweb", body(good))
            #expect(made.status == 201 && made["pool"]?.string == "machine" && made["exclusive"]?.string == "2,6")
            let pod = made["enforcement"]?["pod"]
            #expect(pod?["uid"]?.string == "0a1b2c3d-0000-4000-8000-000000000001")
            let container = pod?["containers"]?.array?.first
            #expect(container?["id"]?.string == id && container?["state"]?.string == "missing")
            #expect(try api.put("pod/default%2Fweb", body(good)).version == made.version)
            #expect(try api.put("pod/default%2Fb", body(good, "0")).code == "housekeeping")
            #expect(try api.put("run/a", body(good)).code == "invalid_member")
            // The longest names that a namespace and a pod have.
            let longest = "\(String(repeating: "n", count: 63))%2F\(String(repeating: "p", count: 253))"
            let other = good.replacing("000000000001", with: "000000000002").replacing("0f", with: "0e")
            #expect(try api.put("pod/\(longest)", body(other, "3")).status == 201)
            for bad in [
                "{}", #"{"uid":".."}"#, #"{\#(uid),"containers":[{"name":"main"}]}"#,
                #"{\#(uid),"containers":[{"name":"main","id":"../x"}]}"#,
                #"{\#(uid),"containers":[{"name":"../a","id":"\#(id)"}]}"#,
                #"{\#(uid),"containers":[{"name":"a","id":"\#(id)"},{"name":"b","id":"\#(id)"}]}"#,
            ] {
                #expect(try api.put("pod/default%2Fb", body(bad)).code == "invalid_member", "\(bad)")
            }
        }
    }

    @Test("what the kernel refuses is refused with its reason, before anything is done or after it was undone")
    func refused() async throws {
        try await TestAPI.serving(enforcer: Kernel()) { api in
            let strong = try api.put("run/a", #"{"cpus":{"count":1},"enforcement":{"minimum":"partition"}}"#)
            #expect(strong.status == 409 && strong.code == "not_enforceable")
            #expect(strong["detail"]?.string?.contains("a sibling cgroup has these CPUs") == true)
            let late = try api.put("run/refused", #"{"cpus":{"count":1},"enforcement":{}}"#)
            #expect(late.code == "not_enforceable" && late["detail"]?.string?.contains("busy") == true)
            #expect(api.host.ledger.count == 0)
        }
    }

    /// A store whose commits wait until the test lets them go.
    private final class HangingStore: DecisionStore, Sendable {
        let gate = DispatchSemaphore(value: 0)
        var corruption: CommitError? { nil }
        var failure: String? { nil }
        var oldest: Int64 { 0 }
        func commit(_ records: [DecisionRecord], before: Ledger) throws(CommitError) -> Int64 {
            gate.wait()
            return 1
        }
        func decisions(from start: HistoryStart, limit: Int) throws(CommitError) -> [DecisionRecord] { [] }
        func maintain(_ ledger: Ledger, isIdle: Bool) {}
        func close(_ ledger: Ledger) {}
    }

    @Test("while the disk hangs questions are answered, and a change that waits too long has an unknown outcome")
    func hanging() async throws {
        let store = HangingStore()
        try await TestAPI.serving(store: store, settings: { $0.commitTimeout = 1 }) { api in
            let waiting = try Connection(api.path)
            let body = #"{"cpus":{"count":1}}"#
            try waiting.send(
                "PUT /v1/claims/run/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            #expect(try api.ask("GET", "/v1/claims")["claims"]?.array == [])
            #expect(try api.ask("POST", "/v1/plan", #"{"holder":"run:b","cpus":{"count":1}}"#).status == 200)
            let reply = Reply(try await waiting.rest())
            #expect(reply.status == 504 && reply.code == "outcome_unknown")
            store.gate.signal()
            #expect(try await eventually { try api.ask("GET", "/v1/claims/run/a").status == 200 })
        }
    }

    @Test("a stored state that is corrupt refuses changes with 503, and readiness says so")
    func corrupt() async throws {
        try await TestAPI.serving(store: RefusingStore(.corrupt("bad page"))) { api in
            let refused = try api.put("run/a", #"{"cpus":{"count":1}}"#)
            #expect(refused.status == 503 && refused.code == "not_committed")
            #expect(try api.ask("GET", "/readyz").status == 503 && api.ask("GET", "/healthz").status == 200)
            #expect(try api.ask("GET", "/v1")["accepts_changes"]?.boolean == false)
        }
    }
}
