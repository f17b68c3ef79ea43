internal import FoundationEssentials

/// What a request proves with who asks.
struct Credentials: Equatable, Sendable {
    var fields: [TransportRequest.Field] = []
    var security = TransportSecurity()
}

/// Reads files, runs plugins, and keeps what they say while it is of use.
actor CredentialSource {
    private let configuration: ClientConfiguration
    private let system: SystemAccess
    private var files: [String: (bytes: [UInt8], read: Duration)] = [:]
    private var answer: CredentialPlugin.Answer?
    private var running: Task<CredentialPlugin.Answer, any Error>?

    /// How old the content of a file may be.
    private static let fileAge = Duration.seconds(60)
    /// How long before its end a plugin's answer is not used any more.
    private static let leeway = 10_000_000

    init(_ configuration: ClientConfiguration, _ system: SystemAccess) {
        self.configuration = configuration
        self.system = system
    }

    /// What to send now.
    func current() async throws(KubernetesError) -> Credentials {
        var credentials = Credentials()
        credentials.security.authorities = try configuration.trust.authorities.map { material throws(KubernetesError) in
            try bytes(material)
        }
        credentials.security.certificate = try configuration.identity.certificate.map {
            material throws(KubernetesError) in
            try bytes(material)
        }
        credentials.security.key = try configuration.identity.key.map { material throws(KubernetesError) in
            try bytes(material)
        }
        switch configuration.identity.method {
        case .none: break
        case .token(let token): try add(bearer: token, to: &credentials)
        case .tokenFile(let path):
            try add(bearer: String(decoding: try file(path), as: UTF8.self), to: &credentials)
        case .password(let user, let password):
            let text = Data("\(user):\(password)".utf8).base64EncodedString()
            credentials.fields.append(.init(name: "Authorization", value: "Basic \(text)"))
        case .plugin(let plugin):
            let answer = try await answer(of: plugin, credentials.security.authorities)
            if let token = answer.token { try add(bearer: token, to: &credentials) }
            if let certificate = answer.certificate {
                credentials.security.certificate = certificate
                credentials.security.key = answer.key
            }
        }
        if let impersonation = configuration.impersonation {
            credentials.fields.append(.init(name: "Impersonate-User", value: impersonation.user))
            if let uid = impersonation.uid { credentials.fields.append(.init(name: "Impersonate-Uid", value: uid)) }
            for group in impersonation.groups {
                credentials.fields.append(.init(name: "Impersonate-Group", value: group))
            }
        }
        return credentials
    }

    /// Forgets what the server refuses, so that it is read again.
    ///
    /// - Returns: whether ``current()`` may come to something else than `refused` now.
    func renew(_ refused: Credentials) async -> Bool {
        switch configuration.identity.method {
        case .none, .token, .password: return false
        case .tokenFile(let path): files[path]?.read = .zero - Self.fileAge - Self.fileAge
        case .plugin:
            // Somebody else may have done so already.
            guard (try? await current()) == refused else { return true }
            answer = nil
            return true
        }
        return (try? await current()) != refused
    }

    private func add(bearer token: String, to credentials: inout Credentials) throws(KubernetesError) {
        let token = token.filter { !$0.isWhitespace }
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .credentials("The bearer token is empty, or no token")
        }
        credentials.fields.append(.init(name: "Authorization", value: "Bearer \(token)"))
    }

    private func bytes(_ material: Material) throws(KubernetesError) -> [UInt8] {
        switch material {
        case .inline(let bytes): bytes
        case .file(let path): try file(path)
        }
    }

    /// The content of a file. One that cannot be read any more has what it had.
    private func file(_ path: String) throws(KubernetesError) -> [UInt8] {
        let now = system.now()
        let known = files[path]
        if let known, now - known.read < Self.fileAge { return known.bytes }
        do {
            let bytes = try system.readFile(path)
            files[path] = (bytes, now)
            return bytes
        } catch {
            guard let known else { throw .credentials("\(path) cannot be read: \(error)") }
            return known.bytes
        }
    }

    private func answer(
        of plugin: CredentialPlugin, _ authorities: [UInt8]?
    ) async throws(KubernetesError) -> CredentialPlugin.Answer {
        if let answer, answer.expires.map({ $0.microseconds - Self.leeway > system.wallClock().microseconds }) ?? true {
            return answer
        }
        // One run at a time, however many ask.
        let task =
            running
            ?? Task { [system] in
                let result: ProgramResult
                do { result = try await system.run(plugin.call(authorities: authorities)) } catch {
                    let hint = plugin.installHint.map { " (\($0))" } ?? ""
                    throw KubernetesError.credentials(
                        "The credential plugin \(plugin.command) cannot be run: \(error)\(hint)")
                }
                guard result.status == 0 else {
                    let status = result.status.map { "with the status \($0)" } ?? "by a signal"
                    throw KubernetesError.credentials(
                        "The credential plugin \(plugin.command) ends \(status): \(result.errors.suffix(500))")
                }
                return try plugin.answer(result.output)
            }
        running = task
        let result = await task.result
        if running == task { running = nil }
        switch result {
        case .success(let answer):
            self.answer = answer
            return answer
        case .failure(let error): throw error as? KubernetesError ?? .credentials("\(error)")
        }
    }
}
