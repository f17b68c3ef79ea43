import HTTPTypes
import Host
import Ledger
import NIOCore
import Service
import WireJSON

/// Answers requests, whatever connection they came through.
struct APIService: Sendable {
    let host: Host
    let providers: APIProviders
    let claims: ClaimOperations
    let settings: @Sendable () -> APISettings
    /// The OpenAPI document.
    private let document: ByteBuffer

    init(
        _ host: Host, _ providers: APIProviders, clock: @escaping @Sendable () -> Int,
        settings: @escaping @Sendable () -> APISettings
    ) {
        self.host = host
        self.providers = providers
        self.settings = settings
        document = ByteBuffer(bytes: OpenAPI.document(version: providers.version))
        claims = ClaimOperations(host: host, processes: providers.processes, clock: clock, lists: ListCache())
    }

    /// The answer to any request but one for events.
    ///
    /// - Throws: ``Problem``.
    func answer(_ request: APIRequest, on loop: any EventLoop) async throws(Problem) -> APIAnswer {
        let settings = settings()
        let patience = ClaimOperations.Patience(
            commit: .seconds(Int64(settings.commitTimeout)), enforcement: .seconds(Int64(settings.enforcementTimeout)),
            loop: loop)
        switch request.route {
        case .claims: return try claims.list(request)
        case .claim: return try claims.get(request)
        case .plan:
            return try claims.plan(request) { holder throws(Problem) in
                try checkName(holder, limit: settings.nameLimit)
            }
        case .putClaim, .patchClaim:
            try checkName(try request.holder(), limit: settings.nameLimit)
            return try await claims.put(request, isComplete: request.route == .putClaim, patience)
        case .deleteClaim: return try await claims.delete(request, patience)
        case .renewClaim: return try await claims.renew(request, patience)
        default:
            _ = try request.target.parameters([])
            return try await resource(request)
        }
    }

    /// Refuses long names of new services: they are limited so that lists fit into what clients of the EPA socket read.
    private func checkName(_ holder: Holder, limit: Int) throws(Problem) {
        guard limit > 0, holder.kind == .service, holder.name.utf8.count > limit, host.ledger[holder] == nil else {
            return
        }
        throw Problem(
            .invalidName,
            "The name has \(holder.name.utf8.count) bytes; new services may have at most \(limit) (name-limit)")
    }

    private func resource(_ request: APIRequest) async throws(Problem) -> APIAnswer {
        switch request.route {
        case .machine: return APIAnswer(json: try MachineResource.json(host))
        case .pools: return APIAnswer(json: try MachineResource.pools(host))
        case .verification:
            guard let provider = providers.verification else {
                let why = host.unenforced.map { ": \($0)" } ?? ""
                throw Problem(.notEnforced, ProblemCode.notEnforced.title + why)
            }
            var writer = JSONWriter(capacity: 1_024)
            writer.value(await provider.verification())
            return APIAnswer(json: writer.bytes)
        case .configuration:
            return APIAnswer(
                json: JSONWriter.object { writer in
                    for (key, value) in providers.configuration() { writer.member(key, value) }
                })
        case .openAPI: return APIAnswer(.ok, request.route.contentType, document)
        case .metrics:
            let text = MetricsText.text(
                host, version: providers.version, drift: await providers.verification?.drift())
            return APIAnswer(.ok, request.route.contentType, ByteBuffer(string: text))
        case .health: return APIAnswer(line: "ok")
        case .readiness: return readiness
        case .root, .claims, .claim, .putClaim, .patchClaim, .deleteClaim, .renewClaim, .plan, .events:
            return root(request.peer)
        }
    }

    private func root(_ peer: APIPeer) -> APIAnswer {
        APIAnswer(
            json: JSONWriter.object { writer in
                writer.member("version", providers.version)
                writer.member("machine", providers.machine)
                writer.member("accepts_changes", host.refusal == nil)
                if let refusal = host.refusal { writer.member("reason", refusal) }
                writer.name("caller")
                writer.object { caller in
                    caller.member("uid", Int(peer.credentials.uid))
                    caller.member("administrator", peer.role == .administrator)
                }
                writer.name("links")
                writer.object { links in
                    for route in APIRoute.allCases where route.method == .get && !route.path.contains("{") {
                        let name = route.path.split(separator: "/").last ?? "v1"
                        links.member(name == "v1" ? "self" : String(name.prefix { $0 != "." }), route.path)
                    }
                }
            })
    }

    /// Whether changes can be decided now.
    private var readiness: APIAnswer {
        if let refusal = host.refusal { return APIAnswer(.serviceUnavailable, line: refusal) }
        return APIAnswer(line: "ok")
    }
}
