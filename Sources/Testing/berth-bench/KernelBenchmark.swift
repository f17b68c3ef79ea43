import Glibc
import Kernel
import Ledger
import Machine
import Placement
import TestSupport

/// Times what enforcement does again and again: planning, reading claims back, comparing claims with threads.
enum KernelBenchmark {
    static func run() throws {
        try plan()
        try reconcile()
        try verify()
    }

    private static func claim(_ name: String, _ cpus: CPUSet) -> Claim {
        Claim(
            holder: Holder(kind: .run, name: name), owner: .administrators, pool: Pool.ordinary,
            grants: [Grant(cpus: cpus)], enforcement: Enforcement(phase: .preparing))
    }

    /// A request for four whole cores among 16 enforced claims on 512 CPUs, decided and planned, from what the kernel was last
    /// seen to do.
    private static func plan() throws {
        let kernel = try FileKernel(cpus: 512)
        var ledger = Ledger()
        for index in 0..<16 {
            let first = 8 + index * 8
            try ledger.apply(LedgerChange(claims: [claim("\(index)", CPUSet(first...first + 7))]))
        }
        let shape = CapturedFiles.Shape(packages: 2, coresPerNode: 128, threadsPerCore: 2)
        let machine = try MachineReader(files: CapturedFiles(shape)).read()
        let all = CPUSet(8...511)
        let facts = MachineFacts(
            pools: [Pool.ordinary: all], online: CPUSet(0...511),
            cores: CoreIndex(of: all) { machine.core(of: $0) }, machine: machine)
        let caller = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "http")
        let plan = KernelPlan(state: try kernel.state())
        var request = ClaimRequest(
            holder: Holder(kind: .run, name: "new"),
            cpus: CPURequest(.wholeCores(4), pool: Pool.ordinary, smt: .whole), isComplete: true)
        request.enforcement = EnforcementRequest()
        func planned() throws -> EnforcementPlan? {
            let decision = try ledger.decide(.claim(request), facts: facts, caller: caller, now: 0)
            return try decision.change.claims.first.map { try plan.plan($0, in: ledger) }
        }
        guard try planned()?.isolation == .partition else { throw Broken("the plan makes no partition") }
        Benchmark.report("plan-512") { _ = try? planned() }
    }

    /// 1,000 enforced claims of a CPU each, read back where nothing differs.
    private static func reconcile() throws {
        let kernel = try FileKernel(cpus: 1_024)
        let plan = KernelPlan(state: try kernel.state())
        var claims: [Claim] = []
        for cpu in 24..<1_024 {
            var claim = claim("\(cpu)", CPUSet([cpu]))
            let planned = try plan.plan(claim, in: Ledger())
            claim.enforcement?.phase = .active
            claim.enforcement?.isolation = planned.isolation
            claim.enforcement?.steps = planned.steps
            guard let cgroup = claim.cgroup else { throw Broken("the plan makes no cgroup") }
            try kernel.add(cgroup)
            claims.append(claim)
        }
        try kernel.follow(CPUSet(24...1_023))
        let enforcer = kernel.enforcer
        guard enforcer.differences(of: claims).isEmpty else { throw Broken("the files do not follow the claims") }
        Benchmark.reportCPU("reconcile-1000", runs: 11) { _ = enforcer.differences(of: claims) }
    }

    /// What this process's own 2,000 threads may run on, compared with a claim.
    private static func verify() throws {
        var active = claim("bench", [4_000])
        active.enforcement?.phase = .active
        active.enforcement?.isolation = .affinity
        let claims = [VerifiedClaim(active: active)].compactMap(\.self)
        let threads = SleepingThreads(2_000)
        defer { threads.end() }
        var seen = 0
        Benchmark.reportCPU("verify-2000", runs: 11) {
            let observation = Verifier(files: RootedKernelFiles()).observe(claims)
            seen = observation.threadCount
            _ = Verification(claims, observation)
        }
        guard seen >= 2_000 else { throw Broken("only \(seen) threads were seen") }
    }
}

/// A measurement that means nothing, and why.
struct Broken: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
