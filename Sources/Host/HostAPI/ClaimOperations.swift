import HTTPTypes
import Host
import Ledger
import NIOCore
import Synchronization
import WireJSON

/// Claims: listed, read, made, changed, renewed, released, planned.
struct ClaimOperations: Sendable {
    let host: Host
    let processes: ProcessLookup
    let clock: @Sendable () -> Int
    let lists: ListCache

    /// How long a change may take.
    struct Patience: Sendable {
        /// For the disk.
        let commit: TimeAmount
        /// For the kernel besides, where it must follow or is to be undone.
        let enforcement: TimeAmount
        /// Whose clock counts.
        let loop: any EventLoop
    }

    // MARK: - Questions

    /// A page of the claims.
    func list(_ request: APIRequest) throws(Problem) -> APIAnswer {
        let parameters = try request.target.parameters(["limit", "after", "kind"])
        let page = try ClaimPage(parameters)
        return APIAnswer(.ok, "application/json", lists.body(page, host.current))
    }

    /// One claim.
    func get(_ request: APIRequest) throws(Problem) -> APIAnswer {
        _ = try request.target.parameters([])
        let holder = try request.holder()
        let claim = host.ledger[holder]
        let condition = request.condition()
        guard let claim else { throw Problem(failure: .refused(Refusal(.noClaim(holder)))) }
        let tag = "\"\(ClaimResource.version(of: claim))\""
        if let condition, !condition(claim) {
            guard request.fields[.ifMatch] == nil else {
                throw Problem(failure: .conditionFailed(holder))
            }
            return .notModified(tag)
        }
        return Self.answer(claim)
    }

    /// What a request would come to.
    ///
    /// - Parameter check: refuses names that new claims may not have.
    func plan(
        _ request: APIRequest, check: (Holder) throws(Problem) -> Void
    ) throws(Problem) -> APIAnswer {
        _ = try request.target.parameters([])
        var body = try ClaimBody(
            request.body, holder: nil, isComplete: true, now: clock(),
            processes: ClaimProcesses(peer: request.peer, lookup: processes))
        try body.setPool(host.ledger[body.request.holder], host.machine)
        try check(body.request.holder)
        try checkPrivileges(body.request, by: request.peer.caller)
        let submission = Submission(.claim(body.request), by: request.peer.caller, action: "plan")
        do throws(Host.Failure) {
            let outcome = try host.plan(submission)
            return Self.answer(outcome, of: request.peer.caller, body.request.holder)
        } catch { throw explained(Problem(failure: error), submission) }
    }

    /// Refuses to take the CPUs of others, which only EPA's NUMA request and administrators may, and to confine pods, which
    /// belong to nobody here.
    private func checkPrivileges(_ request: ClaimRequest, by caller: Caller) throws(Problem) {
        guard caller.isAdministrator || request.enforcement?.pod == nil else {
            throw Problem(.forbidden, "Only administrators may confine pods", member: "enforcement.pod")
        }
        guard !caller.isAdministrator, request.grants.contains(where: { $0.preemption != .never }) else { return }
        throw Problem(
            .forbidden, "Only administrators may take CPUs that others have: leave preemption out",
            member: "cpus.preemption")
    }

    /// The problem with what would fit instead.
    private func explained(_ problem: Problem, _ submission: Submission) -> Problem {
        guard let failure = problem.failure else { return problem }
        var problem = problem
        problem.wouldFit = host.alternatives(to: submission, after: failure)
        return problem
    }

    // MARK: - Changes

    /// Makes or replaces a claim, or changes what the body names of it.
    func put(_ request: APIRequest, isComplete: Bool, _ patience: Patience) async throws(Problem) -> APIAnswer {
        _ = try request.target.parameters([])
        let holder = try request.holder()
        if host.ledger[holder] == nil { try ClaimBody.check(holder) }
        var body = try ClaimBody(
            request.body, holder: holder, isComplete: isComplete, now: clock(),
            processes: ClaimProcesses(peer: request.peer, lookup: processes))
        try body.setPool(host.ledger[holder], host.machine)
        try checkPrivileges(body.request, by: request.peer.caller)
        let action = isComplete ? "put" : "patch"
        let (outcome, before): (Host.Outcome, Claim?)
        do {
            (outcome, before) = try await submit(
                .claim(body.request), request, action, body.parameters, patience,
                isEnforced: body.request.enforcement != nil)
        } catch {
            throw explained(error, Submission(.claim(body.request), by: request.peer.caller, action: action))
        }
        if before == nil, outcome.claim == nil {
            throw Problem(.invalidMember, ClaimBody.needs, member: "cpus")
        }
        var answer = Self.answer(outcome, of: request.peer.caller, holder, isNew: before == nil)
        if before == nil { answer.fields[.location] = Self.path(of: holder) }
        return answer
    }

    /// Sets the lease of a claim.
    func renew(_ request: APIRequest, _ patience: Patience) async throws(Problem) -> APIAnswer {
        _ = try request.target.parameters([])
        let holder = try request.holder()
        let body = try JSONReader(body: request.body)
        try body.allow("lease")
        guard let lease = try body.object("lease") else { throw body.invalid("lease", "is needed") }
        let processes = ClaimProcesses(peer: request.peer, lookup: processes)
        let (outcome, _) = try await submit(
            .renew(holder, try LeaseBody.read(lease, now: clock(), processes)), request, "renew",
            [.init("lease", lease.leaseText)], patience, isEnforced: false)
        return Self.answer(outcome, of: request.peer.caller, holder)
    }

    /// Ends a claim. The answer has it as it was.
    func delete(_ request: APIRequest, _ patience: Patience) async throws(Problem) -> APIAnswer {
        _ = try request.target.parameters([])
        let holder = try request.holder()
        let (outcome, before) = try await submit(
            .release(holder), request, "release", [], patience, isEnforced: host.ledger[holder]?.enforcement != nil)
        guard outcome.decision.found, let before else {
            throw Problem(failure: .refused(Refusal(.noClaim(holder))))
        }
        return Self.answer(before, outcome.decision)
    }

    /// Has the host decide a change, and waits for that.
    ///
    /// - Returns: what it came to, and the claim as it was before.
    private func submit(
        _ change: Request, _ request: APIRequest, _ action: String, _ parameters: [DecisionRecord.Parameter],
        _ patience: Patience, isEnforced: Bool
    ) async throws(Problem) -> (Host.Outcome, Claim?) {
        let condition = request.condition()
        let before = Before()
        let submission = Submission(
            change, by: request.peer.caller, action: action, parameters: parameters,
            condition: { claim in
                before.claim.withLock { $0 = claim }
                return condition?(claim) ?? true
            })
        let promise = patience.loop.makePromise(of: Result<Host.Outcome, Problem>.self)
        let limit = isEnforced ? patience.commit + patience.enforcement : patience.commit
        let timer = patience.loop.scheduleTask(in: limit) { promise.succeed(.failure(Problem(.outcomeUnknown))) }
        // The later of both is ignored.
        host.submit(submission) { result in
            promise.succeed(result.mapError { Problem(failure: $0) })
        }
        defer { timer.cancel() }
        guard let result = try? await promise.futureResult.get() else { throw Problem(.stopping) }
        return (try result.get(), before.claim.withLock { $0 })
    }

    private final class Before: Sendable {
        let claim = Mutex<Claim?>(nil)
    }

    // MARK: - Answers

    private static func answer(_ claim: Claim, _ decision: Decision? = nil) -> APIAnswer {
        var writer = JSONWriter(capacity: 512)
        let version = ClaimResource.write(claim, to: &writer) { writer in
            if let decision { ClaimEffects.write(decision, of: claim.holder, to: &writer) }
        }
        return APIAnswer(json: writer.bytes, [.eTag: "\"\(version)\""])
    }

    private static func answer(
        _ outcome: Host.Outcome, of caller: Caller, _ holder: Holder, isNew: Bool = false
    ) -> APIAnswer {
        // A change may leave nothing of a claim.
        let claim =
            outcome.claim ?? Claim(holder: holder, owner: Owner(caller), grants: [], memoryNodes: [], reservations: [])
        var writer = JSONWriter(capacity: 512)
        let version = ClaimResource.write(claim, to: &writer) { writer in
            ClaimEffects.write(outcome.decision, of: holder, to: &writer)
        }
        return APIAnswer(isNew ? .created : .ok, json: writer.bytes, [.eTag: "\"\(version)\""])
    }

    /// The path of a claim.
    static func path(of holder: Holder) -> String {
        "/v1/claims/\(holder.kind.rawValue)/\(holder.name.percentEncoded)"
    }
}
