import KubernetesClient
import NodeAgent
import Testing

/// What the daemon has refused is asked for again when something changes.
@Suite struct RefusalsTests {
    private let pod = ObjectKey(namespace: "a", name: "p")
    private let refusal = PodSituation.Refusal(ClaimWish(cgroupUID: "u", cpus: "1", level: .cpu), reason: "taken")

    @Test("a refusal counts until something changes, and is then asked about at once, later each further time")
    func again() {
        var refusals = Refusals()
        #expect(refusals.note(refusal, of: pod, asked: refusals.changes).retry == nil && refusals[pod] == refusal)
        for delay in [Duration.zero, .milliseconds(100), .milliseconds(200)] {
            let due = refusals.outdate(except: [])
            #expect(due.map(\.pod) == [pod] && due.map(\.delay) == [delay] && refusals[pod] == nil)
            #expect(refusals.note(refusal, of: pod, asked: refusals.changes).retry == nil)
        }
        #expect(refusals.outdate(except: [pod]).isEmpty && refusals[pod] == refusal)
        refusals.forget(pod)
        #expect(refusals[pod] == nil && refusals.outdate(except: []).isEmpty)
    }

    @Test("a change that is heard of before the daemon's refusal is not missed: the daemon may have refused before it")
    func overtaken() {
        var refusals = Refusals()
        let changes = refusals.changes
        #expect(refusals.outdate(except: []).isEmpty)
        #expect(refusals.note(refusal, of: pod, asked: changes).retry == .zero && refusals[pod] == nil)
    }

    @Test("what the kernel refused is asked for again by itself, ever more seldom, and logged as news once")
    func kernel() {
        var refusals = Refusals()
        for delay in [1, 2, 4, 8, 16, 32, 60, 60] {
            let noted = refusals.note(refusal, of: pod, asked: refusals.changes, isOfKernel: true)
            #expect(noted.retry == .seconds(delay) && noted.isNews == (delay == 1) && refusals[pod] == refusal)
            refusals.outdate(pod)
            #expect(refusals[pod] == nil)
        }
    }
}
