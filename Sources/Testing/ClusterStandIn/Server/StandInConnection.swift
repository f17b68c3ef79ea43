import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
internal import NIOSSL
import WireJSON

/// Serves the requests of one connection.
struct StandInConnection: Sendable {
    let server: StandInServer

    /// Serves until the connection ends.
    func serve(_ connection: HTTP1Channel.Value, _ logger: Logger) async {
        let channel = HTTP1Channel { request, writer, channel in
            try await respond(request, writer, channel)
        }
        await channel.handle(value: connection, logger: logger)
    }

    private func respond(
        _ head: HummingbirdCore.Request, _ writer: consuming ResponseWriter, _ channel: any Channel
    ) async throws {
        let method = head.method.rawValue
        let path = head.head.path ?? "/"
        func note(_ user: StandInUser, _ status: Int) {
            server.note(.init(method: method, target: path, user: user.name, status: status))
        }
        var body: [UInt8] = []
        do { body = Array(buffer: try await head.body.collect(upTo: RequestLimits.body)) } catch {
            guard error is NIOTooManyBytesError else { throw error }
            note(StandInUser(""), 413)
            return try await write(StandInAnswer(.tooLarge), isHead: false, closes: true, writer)
        }
        guard let target = RequestTarget(path) else {
            return try await write(
                StandInAnswer(.badRequest("the path is not encoded correctly")), isHead: false, closes: true, writer)
        }
        let isHealth = target.path.count == 1 && ["healthz", "livez", "readyz"].contains(target.path[0])
        let user: StandInUser
        do { user = try await authenticate(head, channel) } catch let error {
            guard isHealth, error.code == 401 else {
                note(StandInUser(""), error.code)
                return try await write(StandInAnswer(error), isHead: method == "HEAD", writer)
            }
            user = StandInUser("system:anonymous", groups: ["system:unauthenticated"])
        }
        let fields = head.headers
        var request = StandInRequest(
            method, path, body: body, contentType: fields[.contentType] ?? "", accept: fields[.accept] ?? "",
            agent: fields[.userAgent] ?? "", user: user)
        if target.path.first == "standin", server.settings.hasAdminPath {
            let answer = await AdminPath(server: server).answer(request, target)
            return try await write(answer, isHead: method == "HEAD", writer)
        }
        let asked = ResourceRequest(method: method, target: target)
        let decision = server.decide(user, asked)
        if decision.delay > 0 { try await Task.sleep(for: .seconds(decision.delay)) }
        if decision.hangs {
            note(user, 0)
            return try await channel.closeFuture.get()
        }
        if decision.disconnects {
            note(user, 0)
            return try await channel.close()
        }
        var answer: StandInAnswer
        if let refusal = decision.refusal {
            answer = StandInAnswer(Faults.refusal(refusal.code, retryAfter: refusal.retryAfter, user, asked))
        } else {
            request.staleness = decision.staleness
            answer = server.send(request)
        }
        note(user, decision.losesAnswer ? 0 : answer.status)
        if decision.losesAnswer { return try await channel.close() }
        guard case .watch(let session) = answer.content else {
            return try await write(answer, isHead: method == "HEAD", writer)
        }
        let stream = WatchStream(server: server, user: user, fault: decision.watch ?? .init(), channel: channel)
        try await stream.serve(session, writer)
    }

    private func write(
        _ answer: StandInAnswer, isHead: Bool, closes: Bool = false, _ writer: consuming ResponseWriter
    ) async throws {
        var fields: HTTPFields = [.contentType: answer.contentType, .cacheControl: "no-cache, private"]
        if closes { fields[.connection] = "close" }
        if let retryAfter = answer.retryAfter { fields[.retryAfter] = String(retryAfter) }
        for warning in answer.warnings.prefix(20) {
            fields.append(HTTPField(name: .warning, value: "299 - \(JSONValue.string(warning).json)"))
        }
        let body = isHead ? [] : answer.body
        fields[.contentLength] = String(body.count)
        let head = HTTPResponse(status: .init(code: answer.status), headerFields: fields)
        try await writer.write(response: head, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    // MARK: - Who asks

    private func authenticate(
        _ request: HummingbirdCore.Request, _ channel: any Channel
    ) async throws(StatusError) -> StandInUser {
        let user: StandInUser
        if let authorization = request.headers[.authorization] {
            guard authorization.hasPrefix("Bearer "), let known = server.user(token: String(authorization.dropFirst(7)))
            else { throw .unauthorized }
            user = known
        } else if let named = await certificateUser(channel) {
            user = named
        } else {
            throw .unauthorized
        }
        guard let name = request.headers[.impersonateUser] else { return user }
        let other = StandInUser(name, groups: request.headers[values: .impersonateGroup])
        guard server.withCluster({ $0.mayImpersonate(user, other) }) else {
            throw StatusError(
                403, "Forbidden",
                "users \(FieldError.quote(name)) is forbidden: User \(FieldError.quote(user.name)) cannot impersonate "
                    + "resource \"users\" in API group \"\" at the cluster scope",
                details: .map(["name": .string(name), "kind": .string("users")]))
        }
        return other
    }

    private func certificateUser(_ channel: any Channel) async -> StandInUser? {
        guard server.settings.tls?.clientAuthority != nil,
            let certificate = try? await channel.nioSSL_peerCertificate().get(),
            let subject = (try? certificate.toDERBytes()).flatMap({ CertificateSubject(der: $0) }),
            let name = subject.commonName
        else { return nil }
        return StandInUser(name, groups: subject.organizations)
    }
}

extension HTTPField.Name {
    fileprivate static let impersonateUser = HTTPField.Name("Impersonate-User") ?? .from
    fileprivate static let impersonateGroup = HTTPField.Name("Impersonate-Group") ?? .from
    fileprivate static let warning = HTTPField.Name("Warning") ?? .from
}
