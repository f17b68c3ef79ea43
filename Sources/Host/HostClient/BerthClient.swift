internal import NIOCore
internal import NIOHTTP1
import Synchronization
internal import WireJSON

/// A client of `berthd` on this machine, over its Unix socket.
///
/// It may be used from any task; of many calls at a time some wait for others. Connections are kept and used again. No
/// exchange takes longer than the time limit, and every failure is a ``BerthError``.
///
/// ```swift
/// let berth = BerthClient()
/// let request = ClaimRequest(cpus: CPURequest(.cores(2)), lease: .seconds(60))
/// let changed = try await berth.put(Holder(.run, "engine"), request)
/// print("CPUs \(changed.claim.cpus)")
/// ```
public final class BerthClient: Sendable {
    /// The socket unless another one is named.
    public static let defaultSocket = "/run/berth/berth.sock"

    /// The path of the socket.
    public let socket: String
    /// How long a call may take. A change may wait for the disk for as long as the daemon's `commit-timeout` says, and as
    /// long again for the kernel.
    public let timeLimit: Duration

    private let idle = Mutex<[ClientConnection]>([])
    private let slots = Slots(16)
    /// The most connections that are kept.
    private static let idleLimit = 8

    /// A client of the daemon at `socket`. Nothing is connected before the first call.
    public init(socket: String = BerthClient.defaultSocket, timeLimit: Duration = .seconds(70)) {
        self.socket = socket
        self.timeLimit = timeLimit
    }

    deinit { for connection in idle.withLock({ $0 }) { connection.channel.close(promise: nil) } }

    // MARK: - Questions

    /// What serves, and who asks.
    public func daemon() async throws(BerthError) -> DaemonSummary {
        try DaemonSummary(try await json(.GET, "/v1").0)
    }

    /// The machine.
    public func machine() async throws(BerthError) -> MachineSummary {
        try MachineSummary(try await json(.GET, "/v1/machine").0)
    }

    /// The pools of CPUs.
    public func pools() async throws(BerthError) -> [Pool] {
        try await json(.GET, "/v1/pools").0.list("pools") { pool throws(BerthError) in try Pool(pool) }
    }

    /// All claims, or those of one kind, in the order of their holders.
    public func claims(kind: Holder.Kind? = nil) async throws(BerthError) -> [Claim] {
        var claims: [Claim] = []
        var after: String?
        repeat {
            let page = try AnswerReader(try await claimPage(kind: kind, after: after))
            claims += try page.list("claims") { claim throws(BerthError) in try Claim(claim) }
            after = page.value["next"]?.string
        } while after != nil
        return claims
    }

    /// The claim of `holder`; nil where it has none.
    public func claim(_ holder: Holder) async throws(BerthError) -> Claim? {
        guard let document = try await claimDocument(holder) else { return nil }
        return try Claim(try AnswerReader(document))
    }

    /// What ``put(_:_:ifVersion:)`` would come to; changes nothing.
    ///
    /// - Throws: the same problem that it would.
    public func plan(_ holder: Holder, _ request: ClaimRequest) async throws(BerthError) -> ChangedClaim {
        let body = JSONWriter.object { writer in
            writer.member("holder", holder.description)
            request.write(to: &writer)
        }
        return try ChangedClaim(try await json(.POST, "/v1/plan", body: body).0, isNew: false)
    }

    /// What the last comparison of claims and kernel found, as JSON; nil where nothing is enforced.
    public func verification() async throws(BerthError) -> [UInt8]? {
        do { return try await verificationDocument() } catch {
            guard error.problem?.code == "not_enforced" else { throw error }
            return nil
        }
    }

    /// What the last comparison of claims and kernel found, as JSON.
    ///
    /// - Throws: the problem `not_enforced` where nothing is enforced, which says why.
    package func verificationDocument() async throws(BerthError) -> [UInt8] {
        try await exchange(.GET, "/v1/verification").body
    }

    /// The settings of the daemon by name.
    public func configuration() async throws(BerthError) -> [(name: String, value: String)] {
        let json = try await json(.GET, "/v1/configuration").0
        return (json.value.members ?? []).map { ($0.name, $0.value.string ?? "") }
    }

    /// The metrics, in the text format of Prometheus.
    public func metrics() async throws(BerthError) -> String {
        String(decoding: try await exchange(.GET, "/metrics").body, as: UTF8.self)
    }

    /// A page of ``claims(kind:)``, as JSON and as it came.
    ///
    /// - Parameter after: the `next` of the page before; nil for the first page.
    package func claimPage(kind: Holder.Kind? = nil, after: String? = nil) async throws(BerthError) -> [UInt8] {
        var target = "/v1/claims?limit=1000"
        if let kind { target += "&kind=\(kind.rawValue)" }
        if let after { target += "&after=\(after.percentEncoded)" }
        return try await exchange(.GET, target).body
    }

    /// The claim of `holder`, as JSON and as it came; nil where it has none.
    package func claimDocument(_ holder: Holder) async throws(BerthError) -> [UInt8]? {
        do { return try await exchange(.GET, holder.path).body } catch {
            guard error.problem?.code == "no_claim" else { throw error }
            return nil
        }
    }

    // MARK: - Changes

    /// Makes or replaces the claim of `holder`: what the request leaves out is given up. CPUs that are what is asked for stay.
    ///
    /// - Parameter version: the version that the claim must have; nil where it does not matter.
    public func put(
        _ holder: Holder, _ request: ClaimRequest, ifVersion version: String? = nil
    ) async throws(BerthError) -> ChangedClaim {
        try await change(.PUT, holder.path, version) { request.write(to: &$0) }
    }

    /// Makes the claim of `holder`, which must not have one.
    public func create(_ holder: Holder, _ request: ClaimRequest) async throws(BerthError) -> ChangedClaim {
        let body = JSONWriter.object { request.write(to: &$0) }
        let (json, status) = try await json(.PUT, holder.path, body: body, [("If-None-Match", "*")])
        return try ChangedClaim(json, isNew: status == 201)
    }

    /// Makes the claim of `holder`, or changes of it what the request names.
    public func patch(
        _ holder: Holder, _ request: ClaimRequest, ifVersion version: String? = nil
    ) async throws(BerthError) -> ChangedClaim {
        try await change(.PATCH, holder.path, version) { request.write(to: &$0) }
    }

    /// Sets how long the claim of `holder` lives from now on.
    public func renew(
        _ holder: Holder, _ lease: LeaseRequest, ifVersion version: String? = nil
    ) async throws(BerthError) -> ChangedClaim {
        try await change(.POST, "\(holder.path)/renew", version) { lease.write(to: &$0) }
    }

    /// Releases the claim of `holder`. What comes back is the claim as it was.
    ///
    /// - Throws: the problem `no_claim` where it has none.
    public func delete(_ holder: Holder, ifVersion version: String? = nil) async throws(BerthError) -> ChangedClaim {
        let (json, _) = try await json(.DELETE, holder.path, Self.condition(version))
        return try ChangedClaim(json, isNew: false)
    }

    private func change(
        _ method: HTTPMethod, _ target: String, _ version: String?, _ write: (inout JSONWriter) -> Void
    ) async throws(BerthError) -> ChangedClaim {
        let body = JSONWriter.object { write(&$0) }
        let (json, status) = try await json(method, target, body: body, Self.condition(version))
        return try ChangedClaim(json, isNew: status == 201)
    }

    private static func condition(_ version: String?) -> [(String, String)] {
        version.map { [("If-Match", "\"\($0)\"")] } ?? []
    }

    // MARK: - Events

    /// The decisions after the one of number `after`, or the newest `last` of those that are stored, oldest first; without
    /// either those to come, or all stored ones where `follows` is false.
    ///
    /// The sequence ends when the daemon stops, or closes it because it was read too slowly. It can be resumed after the
    /// last decision that was read.
    ///
    /// - Parameters:
    ///   - after: the number of a decision, 0 for the beginning; not together with `last`.
    ///   - last: how many, 1 or more.
    ///   - follows: whether it goes on after what is stored.
    public func events(after: Int? = nil, last: Int? = nil, follows: Bool = true) -> HostEvents {
        HostEvents(socket: socket, after: after, last: last, follows: follows, timeLimit: timeLimit)
    }

    // MARK: - Exchange

    private func json(
        _ method: HTTPMethod, _ target: String, body: [UInt8] = [], _ headers: [(String, String)] = []
    ) async throws(BerthError) -> (AnswerReader, Int) {
        let answer = try await exchange(method, target, body: body, headers)
        return (try AnswerReader(answer.body), answer.status)
    }

    /// Sends a request over a kept connection, or a new one, and takes problems for errors.
    private func exchange(
        _ method: HTTPMethod, _ target: String, body: [UInt8] = [], _ headers: [(String, String)] = []
    ) async throws(BerthError) -> ClientAnswer {
        await slots.enter()
        defer { slots.leave() }
        let request = ClientRequest(method: method, target: target, headers: headers, body: body)
        let answer: ClientAnswer
        do { answer = try await ask(try await connection(), request) } catch {
            // The daemon may close a connection that waits at any time. Every request may be sent twice.
            guard case .closed = error, !Task.isCancelled else { throw error }
            answer = try await ask(try await ClientConnection.connect(socket), request)
        }
        guard answer.status < 300 else { throw .problem(Problem(status: answer.status, answer.body)) }
        return answer
    }

    /// A kept connection, or a new one.
    private func connection() async throws(BerthError) -> ClientConnection {
        if let kept = idle.withLock({ $0.popLast() }), kept.channel.isActive { return kept }
        return try await ClientConnection.connect(socket)
    }

    private func ask(
        _ connection: ClientConnection, _ request: ClientRequest
    ) async throws(BerthError) -> ClientAnswer {
        let answer = try await connection.ask(request, within: timeLimit)
        let isKept =
            answer.keepsAlive
            && idle.withLock { idle in
                guard idle.count < Self.idleLimit else { return false }
                idle.append(connection)
                return true
            }
        if !isKept { connection.channel.close(promise: nil) }
        return answer
    }
}
