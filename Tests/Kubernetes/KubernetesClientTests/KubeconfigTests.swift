import KubernetesClient
import TestSupport
import Testing

@Suite struct KubeconfigTests {
    private static let first = """
        apiVersion: v1
        kind: Config
        current-context: dev
        contexts:
        - name: dev
          context: {cluster: one, user: cert, namespace: shop}
        - name: bare
          context: {cluster: one, user: ""}
        clusters:
        - name: one
          cluster:
            server: https://10.0.0.1:6443/prefix/
            certificate-authority: pki/ca.pem
            tls-server-name: kubernetes
        users:
        - name: cert
          user:
            client-certificate-data: Y2VydA==
            client-key: /abs/key.pem
        """

    private func configuration(
        _ files: [String: String], context: String? = nil, kubeconfig: String = "/home/u/.kube/config"
    ) throws(ConfigurationError) -> ClientConfiguration {
        let system = ManualSystem(files: files, variables: ["KUBECONFIG": kubeconfig, "HOME": "/home/u"])
        return try .standard(context: context, system: system.access)
    }

    @Test("a context comes to its server, authority, certificate and namespace, with paths relative to the file")
    func context() throws {
        let configuration = try configuration(["/home/u/.kube/config": Self.first])
        #expect("\(configuration.server)" == "https://10.0.0.1:6443/prefix" && configuration.namespace == "shop")
        #expect(configuration.trust.authorities == .file("/home/u/.kube/pki/ca.pem"))
        #expect(configuration.trust.serverName == "kubernetes" && configuration.trust.isVerified)
        #expect(configuration.identity.certificate == .inline(Array("cert".utf8)))
        #expect(configuration.identity.key == .file("/abs/key.pem") && configuration.identity.method == .none)
        let bare = try self.configuration(["/home/u/.kube/config": Self.first], context: "bare")
        #expect(bare.identity == ClientIdentity() && bare.namespace == "default")
    }

    @Test("without KUBECONFIG the file is ~/.kube/config; without that, a pod is itself")
    func defaults() throws {
        let system = ManualSystem(files: ["/home/u/.kube/config": Self.first], variables: ["HOME": "/home/u"])
        #expect(try ClientConfiguration.standard(system: system.access).namespace == "shop")
        let directory = "/var/run/secrets/kubernetes.io/serviceaccount"
        var files = ["\(directory)/token": "t", "\(directory)/ca.crt": "c", "\(directory)/namespace": "berth"]
        let variables = ["HOME": "/", "KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
        let pod = try ClientConfiguration.standard(system: ManualSystem(files: files, variables: variables).access)
        #expect("\(pod.server)" == "https://[fd00::1]:443" && pod.namespace == "berth")
        #expect(pod.identity.method == .tokenFile("\(directory)/token"))
        files["\(directory)/token"] = nil
        let error = #expect(throws: ConfigurationError.self) {
            try ClientConfiguration.standard(system: ManualSystem(files: files, variables: variables).access)
        }
        #expect(error?.file == "\(directory)/token")
    }

    @Test("of several files the first to name a thing decides, each with its own directory; missing files have nothing")
    func merging() throws {
        let second = """
            current-context: prod
            contexts: [{name: prod, context: {cluster: two, user: token}}, {name: dev, context: {cluster: two}}]
            clusters: [{name: two, cluster: {server: "https://two"}}, {name: one, cluster: {server: "https://wrong"}}]
            users: [{name: token, user: {tokenFile: token, token: ignored}}]
            """
        let files = ["/a/config": Self.first, "/b/config": second]
        let dev = try configuration(files, kubeconfig: ":/missing:/a/config:/b/config")
        #expect(dev.server.host == "10.0.0.1")
        let prod = try configuration(files, context: "prod", kubeconfig: "/a/config:/b/config")
        #expect("\(prod.server)" == "https://two:443" && prod.identity.method == .tokenFile("/b/token"))
    }

    @Test("users have tokens, passwords, plugins, and may ask for others")
    func users() throws {
        func identity(_ user: String) throws -> ClientConfiguration {
            try configuration(
                [
                    "/k": """
                    current-context: c
                    contexts: [{name: c, context: {cluster: c, user: u}}]
                    clusters: [{name: c, cluster: {server: "http://h:1", insecure-skip-tls-verify: true}}]
                    users: [{name: u, user: {\(user)}}]
                    """
                ], kubeconfig: "/k")
        }
        #expect(try identity("token: 12345").identity.method == .token("12345"))
        #expect(try identity("username: a, password: b").identity.method == .password(user: "a", password: "b"))
        #expect(
            try identity("token: t, as: x, as-uid: y, as-groups: [g, h]").impersonation
                == Impersonation(user: "x", uid: "y", groups: ["g", "h"]))
        let exec = try identity(
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./get, args: [a, 1], interactiveMode: Never, "
                + "provideClusterInfo: true, env: [{name: E, value: v}]}")
        guard case .plugin(let plugin) = exec.identity.method else {
            Issue.record("\(exec.identity.method)")
            return
        }
        #expect(plugin.command == "//./get" || plugin.command == "/./get")
        #expect(plugin.arguments == ["a", "1"] && plugin.environment == ["E": "v"])
        #expect(plugin.cluster?.server == exec.server && plugin.version == .v1 && !exec.trust.isVerified)
    }

    @Test(
        "an error names the file, the member and what is wrong",
        arguments: [
            (
                "current-context: dev", "current-context: dvr",
                "current-context: There is no context dvr; there are bare, dev"
            ),
            (
                "cluster: one, user: cert", "cluster: on, user: cert",
                "contexts[dev].context.cluster: there is no cluster on"
            ),
            ("user: cert, namespace", "user: crt, namespace", "contexts[dev].context.user: there is no user crt"),
            (
                "https://10.0.0.1:6443/prefix/", "10.0.0.1",
                "clusters[one].cluster.server: 10.0.0.1 is no https://HOST:PORT"
            ),
            ("Y2VydA==", "'%%%'", "users[cert].user.client-certificate-data: it is not base64"),
            (
                "client-key: /abs/key.pem", "other: 1",
                "users[cert].user.client-key: it is missing, with client-certificate there"
            ),
            (
                "tls-server-name: kubernetes", "insecure-skip-tls-verify: true",
                "clusters[one].cluster.insecure-skip-tls-verify: an authority is named, so it must not be true"
            ),
            (
                "client-key: /abs/key.pem", "auth-provider: {name: gcp}",
                "users[cert].user.auth-provider: Kubernetes has not known it since 1.26; use exec"
            ),
            (
                "client-key: /abs/key.pem",
                "exec: {command: a, apiVersion: client.authentication.k8s.io/v1alpha1}\n    client-key: a",
                "users[cert].user.exec.apiVersion: it is neither client.authentication.k8s.io/v1 nor "
                    + "client.authentication.k8s.io/v1beta1"
            ),
            ("- name: bare", "- name: dev", "contexts: the name dev stands twice"),
            ("apiVersion: v1", "apiVersion: v2", "apiVersion: it is not v1"),
            ("clusters:\n- name: one", "clusters:\n- x: one", "clusters[0]: it has no name"),
            ("kind: Config", "kind: [", "line 4: did not find expected ',' or ']'"),
        ])
    func errors(part: String, wrong: String, message: String) throws {
        let text = Self.first.split(separator: part, maxSplits: 1, omittingEmptySubsequences: false).joined(
            separator: wrong)
        let error = #expect(throws: ConfigurationError.self) { try configuration(["/home/u/.kube/config": text]) }
        #expect(error.map { "\($0)" } == "/home/u/.kube/config: \(message)")
    }

    @Test("where there is no configuration at all it is said what would be one")
    func nothing() {
        let error = #expect(throws: ConfigurationError.self) { try configuration([:]) }
        #expect(error?.description.contains("KUBECONFIG") == true)
    }

    @Test(
        "addresses are read whole or not at all",
        arguments: [
            "", "host", "ftp://h", "https://", "https://h:0", "https://h:65536", "https://h:x", "https://[::1",
            "https://[h]",
            "https://u@h", "https://h/a b", "https://h/?q", "https://[::1]x",
        ])
    func addresses(text: String) { #expect(ServerAddress(text) == nil) }
}
