import WireJSON

/// The kubeconfig of a client of the stand-in. It is JSON, which every reader of YAML takes.
package struct StandInKubeconfig: Sendable {
    /// How a client shows who it is.
    package enum Credentials: Sendable {
        case token(String)
        /// The PEM files of a certificate and its key.
        case certificate(String, key: String)
    }

    /// The address.
    package var server: String
    /// The PEM file of the authority of the server's certificate; nil without TLS.
    package var authority: String?
    package var credentials: Credentials
    /// The namespace of commands that name none.
    package var namespace: String

    /// A kubeconfig.
    package init(
        server: String, authority: String? = nil, credentials: Credentials, namespace: String = "default"
    ) {
        self.server = server
        self.authority = authority
        self.credentials = credentials
        self.namespace = namespace
    }

    /// The text of the file.
    package var text: String {
        let user: JSONValue =
            switch credentials {
            case .token(let token): .map(["token": .string(token)])
            case .certificate(let certificate, let key):
                .map(["client-certificate": .string(certificate), "client-key": .string(key)])
            }
        return JSONValue.map([
            "apiVersion": .string("v1"), "kind": .string("Config"), "current-context": .string("standin"),
            "clusters": .array([
                .map([
                    "name": .string("standin"),
                    "cluster": .map([
                        "server": .string(server), "certificate-authority": authority.map { .string($0) },
                    ]),
                ])
            ]),
            "users": .array([.map(["name": .string("standin"), "user": user])]),
            "contexts": .array([
                .map([
                    "name": .string("standin"),
                    "context": .map([
                        "cluster": .string("standin"), "user": .string("standin"), "namespace": .string(namespace),
                    ]),
                ])
            ]),
        ]).json + "\n"
    }
}
