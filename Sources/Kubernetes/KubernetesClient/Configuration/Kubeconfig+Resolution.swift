internal import FoundationEssentials

extension Kubeconfig {
    /// What a context comes to.
    ///
    /// - Parameter name: the context; nil for the current one.
    /// - Throws: ``ConfigurationError`` that names the file and the member.
    public func configuration(
        context name: String? = nil, system: SystemAccess = .real
    ) throws(ConfigurationError) -> ClientConfiguration {
        guard let chosen = name ?? currentContext?.value else {
            let known = contexts.keys.sorted().joined(separator: ", ")
            throw ConfigurationError(
                reason: "There is no current context"
                    + (known.isEmpty ? ", nor any other: KUBECONFIG names no file with one" : "; there are \(known)"))
        }
        guard let context = contexts[chosen] else {
            let known = contexts.keys.sorted().joined(separator: ", ")
            throw ConfigurationError(
                file: name == nil ? currentContext?.file : nil, member: name == nil ? "current-context" : nil,
                reason: "There is no context \(chosen)" + (known.isEmpty ? "" : "; there are \(known)"))
        }
        guard let cluster = clusters[context.value.cluster] else {
            throw ConfigurationError(
                file: context.file, member: "contexts[\(chosen)].context.cluster",
                reason: "there is no cluster \(context.value.cluster)")
        }
        var configuration = ClientConfiguration(
            server: try cluster.server(), namespace: context.value.namespace ?? "default", trust: try cluster.trust())
        if let proxy = try cluster.text("proxy-url") {
            guard let address = ServerAddress(proxy), !address.isSecure else {
                throw cluster.error("proxy-url", "\(proxy) is no http://HOST:PORT")
            }
            configuration.proxy = address
        }
        if !context.value.user.isEmpty {
            guard let user = users[context.value.user] else {
                throw ConfigurationError(
                    file: context.file, member: "contexts[\(chosen)].context.user",
                    reason: "there is no user \(context.value.user)")
            }
            configuration.identity = try user.identity(of: configuration)
            configuration.impersonation = try user.impersonation()
        }
        return configuration
    }
}

extension Kubeconfig.Entry {
    func error(_ member: String, _ reason: String) -> ConfigurationError {
        ConfigurationError(file: file, member: "\(path).\(member)", reason: reason)
    }

    /// A member that is a text; nil where it is missing or empty.
    func text(_ member: String) throws(ConfigurationError) -> String? {
        guard let value = json[member], value != .null else { return nil }
        guard let text = value.text else { throw error(member, "it is no text") }
        return text.isEmpty ? nil : text
    }

    func flag(_ member: String) throws(ConfigurationError) -> Bool {
        guard let value = json[member], value != .null else { return false }
        guard let flag = value.boolean else { throw error(member, "it is neither true nor false") }
        return flag
    }

    /// A path relative to the file's directory.
    func resolved(_ path: String) -> String {
        guard !path.hasPrefix("/"), let slash = file.lastIndex(of: "/") else { return path }
        return "\(file[..<slash])/\(path)"
    }

    /// `NAME-data`, in base64, else the file of `NAME`.
    func material(_ member: String) throws(ConfigurationError) -> Material? {
        if let text = try text("\(member)-data") {
            guard let data = Data(base64Encoded: text.filter { !$0.isWhitespace }) else {
                throw error("\(member)-data", "it is not base64")
            }
            return .inline([UInt8](data))
        }
        return try text(member).map { .file(resolved($0)) }
    }

    // MARK: - Clusters

    func server() throws(ConfigurationError) -> ServerAddress {
        guard let text = try text("server") else { throw error("server", "it is missing") }
        guard let address = ServerAddress(text) else { throw error("server", "\(text) is no https://HOST:PORT") }
        return address
    }

    func trust() throws(ConfigurationError) -> ServerTrust {
        var trust = ServerTrust()
        trust.authorities = try material("certificate-authority")
        trust.serverName = try text("tls-server-name")
        trust.isVerified = try !flag("insecure-skip-tls-verify")
        guard trust.isVerified || trust.authorities == nil else {
            throw error("insecure-skip-tls-verify", "an authority is named, so it must not be true")
        }
        return trust
    }

    // MARK: - Users

    func identity(of configuration: ClientConfiguration) throws(ConfigurationError) -> ClientIdentity {
        guard json["auth-provider"] ?? .null == .null else {
            throw error("auth-provider", "Kubernetes has not known it since 1.26; use exec")
        }
        var identity = ClientIdentity(
            certificate: try material("client-certificate"), key: try material("client-key"))
        guard (identity.certificate == nil) == (identity.key == nil) else {
            throw identity.key == nil
                ? error("client-key", "it is missing, with client-certificate there")
                : error("client-certificate", "it is missing, with client-key there")
        }
        if let path = try text("tokenFile") {
            identity.method = .tokenFile(resolved(path))
        } else if let token = try text("token") {
            identity.method = .token(token)
        } else if let user = try text("username") {
            identity.method = .password(user: user, password: try text("password") ?? "")
        }
        // As with kubectl, a plugin is not asked where there is a token or a name.
        if identity.method == .none, let exec = json["exec"], exec != .null {
            identity.method = .plugin(try plugin(exec, of: configuration))
        }
        return identity
    }

    func impersonation() throws(ConfigurationError) -> Impersonation? {
        let groups = json["as-groups"]?.array?.compactMap(\.text) ?? []
        let uid = try text("as-uid")
        guard let user = try text("as") else {
            guard groups.isEmpty, uid == nil else { throw error("as", "it is missing, with as-groups or as-uid there") }
            return nil
        }
        return Impersonation(user: user, uid: uid, groups: groups)
    }

    private func plugin(
        _ exec: JSONValue, of configuration: ClientConfiguration
    ) throws(ConfigurationError) -> CredentialPlugin {
        let entry = Kubeconfig.Entry(json: exec, file: file, path: "\(path).exec")
        guard let command = try entry.text("command") else { throw entry.error("command", "it is missing") }
        guard let version = CredentialPlugin.Version(rawValue: try entry.text("apiVersion") ?? "") else {
            let known = CredentialPlugin.Version.allCases.map(\.rawValue).joined(separator: " nor ")
            throw entry.error("apiVersion", "it is neither \(known)")
        }
        if try entry.text("interactiveMode") == "Always" {
            throw entry.error("interactiveMode", "it is Always, and there is nobody to answer")
        }
        // Only a path is relative to the file; a bare name is looked for in PATH.
        var plugin = CredentialPlugin(
            version: version, command: command.contains("/") ? entry.resolved(command) : command,
            arguments: exec["args"]?.array?.compactMap(\.text) ?? [])
        for variable in exec["env"]?.array ?? [] {
            guard let name = variable["name"]?.text, !name.isEmpty else {
                throw entry.error("env", "a variable has no name")
            }
            plugin.environment[name] = variable["value"]?.text ?? ""
        }
        plugin.installHint = try entry.text("installHint")
        if try entry.flag("provideClusterInfo") {
            plugin.cluster = .init(server: configuration.server, trust: configuration.trust)
        }
        return plugin
    }
}
