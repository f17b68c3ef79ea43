/// Where an API server is, how it is known, and who asks it.
public struct ClientConfiguration: Equatable, Sendable {
    /// The server.
    public var server: ServerAddress
    /// The namespace that the configuration names, else `default`.
    public var namespace: String
    /// How the server is known.
    public var trust: ServerTrust
    /// Who asks.
    public var identity: ClientIdentity
    /// For whom it is asked, where that is somebody else.
    public var impersonation: Impersonation?
    /// An HTTP proxy; nil for none.
    public var proxy: ServerAddress?
    /// What the client calls itself; the name of the program unless told otherwise. Servers show it as the manager of what it
    /// changes.
    public var userAgent = ClientConfiguration.programName

    /// A configuration.
    public init(
        server: ServerAddress, namespace: String = "default", trust: ServerTrust = ServerTrust(),
        identity: ClientIdentity = ClientIdentity(), impersonation: Impersonation? = nil, proxy: ServerAddress? = nil
    ) {
        self.server = server
        self.namespace = namespace
        self.trust = trust
        self.identity = identity
        self.impersonation = impersonation
        self.proxy = proxy
    }

    private static let programName: String = {
        let name = (CommandLine.arguments.first ?? "").split(separator: "/").last ?? ""
        let plain = name.unicodeScalars.filter {
            $0.isASCII && ($0.properties.isAlphabetic || "0123456789.-_".unicodeScalars.contains($0))
        }
        return plain.isEmpty ? "KubernetesClient" : String(String.UnicodeScalarView(plain))
    }()

    /// The configuration that `kubectl` would use, else that of the pod that this is.
    ///
    /// - Parameter context: the context of the kubeconfig; nil for its current one.
    public static func standard(
        context: String? = nil, system: SystemAccess = .real
    ) throws(ConfigurationError) -> ClientConfiguration {
        let kubeconfig = try Kubeconfig.standard(system: system)
        if kubeconfig.isEmpty, context == nil, system.variable(InCluster.host) != nil {
            return try inCluster(system: system)
        }
        return try kubeconfig.configuration(context: context, system: system)
    }
}

/// The address of a server.
public struct ServerAddress: Hashable, Sendable, CustomStringConvertible {
    /// Whether it is asked over TLS.
    public let isSecure: Bool
    /// A name, or an address without brackets.
    public let host: String
    /// The port.
    public let port: Int
    /// What stands before every path; empty, or begins with a slash and does not end in one.
    public let path: String

    /// Reads `https://HOST[:PORT][/PATH]`, or the same with `http`. Nil for anything else.
    public init?(_ text: String) {
        let secure = text.lowercased().hasPrefix("https://")
        guard secure || text.lowercased().hasPrefix("http://") else { return nil }
        let rest = text.dropFirst(secure ? 8 : 7)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        var path = rest[slash...]
        while path.hasSuffix("/") { path = path.dropLast() }
        var (host, port) = (authority, secure ? 443 : 80)
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":"), host.contains(":") else { return nil }
            if !after.isEmpty {
                guard let number = Int(after.dropFirst()) else { return nil }
                port = number
            }
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            guard let number = Int(authority[authority.index(after: colon)...]) else { return nil }
            port = number
        }
        func isPlain(_ text: Substring, _ extra: String) -> Bool {
            text.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || extra.utf8.contains(byte)
            }
        }
        guard !host.isEmpty, (1...65_535).contains(port), isPlain(host, ".-_:"), isPlain(path, "/.-_~%:@") else {
            return nil
        }
        isSecure = secure
        self.host = String(host)
        self.port = port
        self.path = String(path)
    }

    /// The address as a URL.
    public var description: String {
        "\(isSecure ? "https" : "http")://\(host.contains(":") ? "[\(host)]" : host):\(port)\(path)"
    }
}

/// Bytes that stand in the configuration, or in a file that may change.
public enum Material: Hashable, Sendable {
    /// These bytes.
    case inline([UInt8])
    /// The content of the file at this path, read again from time to time.
    case file(String)
}

/// How a server is known.
public struct ServerTrust: Hashable, Sendable {
    /// The authorities, as PEM, that may have signed the server's certificate; nil for those of the system.
    public var authorities: Material?
    /// The name that the certificate must have; nil for the host of the address.
    public var serverName: String?
    /// Whether the certificate is looked at; false lets anybody answer in the server's place.
    public var isVerified = true

    /// The authorities of the system.
    public init() {}
}

/// Who a client is.
public struct ClientIdentity: Equatable, Sendable {
    /// How the client proves who it is, besides its certificate.
    public enum Method: Equatable, Sendable {
        /// Not at all.
        case none
        /// A bearer token.
        case token(String)
        /// The bearer token in a file that may change.
        case tokenFile(String)
        /// A name and a password.
        case password(user: String, password: String)
        /// What a program says.
        case plugin(CredentialPlugin)
    }

    /// How the client proves who it is, besides its certificate.
    public var method: Method
    /// The client's certificate and those of its authorities, as PEM.
    public var certificate: Material?
    /// The certificate's private key, as PEM.
    public var key: Material?

    /// An identity.
    public init(_ method: Method = .none, certificate: Material? = nil, key: Material? = nil) {
        self.method = method
        self.certificate = certificate
        self.key = key
    }
}

/// For whom a client asks.
public struct Impersonation: Equatable, Sendable {
    /// The user.
    public var user: String
    /// The user's uid.
    public var uid: String?
    /// The user's groups.
    public var groups: [String]

    /// A user.
    public init(user: String, uid: String? = nil, groups: [String] = []) {
        self.user = user
        self.uid = uid
        self.groups = groups
    }
}
