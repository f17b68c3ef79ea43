import ClusterStandIn
import Testing
import WireJSON

/// Who may do what, and what there is.
@Suite struct AccessTests {
    private let bob = StandInUser("bob", groups: ["developers"])

    @Test("who has no role may do nothing but look around, and is told so in the real words")
    func forbidden() {
        var client = TestClient()
        let list = client.send("GET", TestClient.pods, user: bob)
        #expect(list.status == 403 && list.reason == "Forbidden")
        #expect(
            list.message
                == #"pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default""#
        )
        let nodes = client.send("GET", "/api/v1/nodes/n", user: bob)
        #expect(
            nodes.message
                == #"nodes "n" is forbidden: User "bob" cannot get resource "nodes" in API group "" at the cluster scope"#
        )
        #expect(client.send("GET", "/apis", user: bob).status == 200)
        let path = client.send("GET", "/metrics", user: bob)
        #expect(path.message == #"forbidden: User "bob" cannot get path "/metrics""#)
    }

    @Test("roles count for their namespace, cluster roles for all, subresources and names by themselves")
    func roles() {
        var client = TestClient()
        let group = "/apis/rbac.authorization.k8s.io/v1"
        client.create(
            "\(group)/namespaces/default/roles",
            #"{"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}, {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}]}"#
        )
        client.create(
            "\(group)/namespaces/default/rolebindings",
            #"{"metadata": {"name": "r"}, "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}, "subjects": [{"kind": "Group", "name": "developers"}]}"#
        )
        client.pod("p")
        client.configMap("a")
        #expect(client.send("GET", TestClient.pods, user: bob).status == 200)
        #expect(client.send("GET", "/api/v1/pods", user: bob).status == 403)
        #expect(client.send("GET", "/api/v1/namespaces/kube-system/pods", user: bob).status == 403)
        #expect(client.send("GET", "\(TestClient.pods)/p/log", user: bob).status == 403)
        #expect(client.send("GET", "\(TestClient.configMaps)/a", user: bob).status == 200)
        #expect(client.send("GET", "\(TestClient.configMaps)/b", user: bob).status == 403)
        #expect(client.send("DELETE", "\(TestClient.pods)/p", user: bob).status == 403)
        client.create(
            "\(group)/clusterrolebindings",
            #"{"metadata": {"name": "v"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}]}"#
        )
        let account = StandInUser("system:serviceaccount:default:default")
        #expect(client.send("GET", "/api/v1/pods", user: account).status == 200)
        #expect(client.send("GET", "/api/v1/secrets", user: account).status == 403)
    }

    @Test("reviews answer as requests would be answered")
    func reviews() {
        var client = TestClient()
        func review(_ user: StandInUser, _ attributes: String) -> JSONValue? {
            client.send(
                "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                #"{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": \#(attributes)}"#,
                user: user
            ).at("status", "allowed")
        }
        let pods = #"{"resourceAttributes": {"verb": "list", "resource": "pods", "namespace": "default"}}"#
        #expect(review(.admin, pods) == .boolean(true) && review(bob, pods) == .boolean(false))
        #expect(review(bob, #"{"nonResourceAttributes": {"verb": "get", "path": "/apis"}}"#) == .boolean(true))
        let who = client.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", user: bob)
        #expect(who.at("status", "userInfo", "username") == .string("bob"))
    }

    @Test("a token of a service account is its user, as long as the account exists")
    func tokens() {
        var client = TestClient()
        client.create("/api/v1/namespaces/default/serviceaccounts", #"{"metadata": {"name": "agent"}}"#)
        let path = "/api/v1/namespaces/default/serviceaccounts/agent"
        let token =
            client.create("\(path)/token", #"{"spec": {"expirationSeconds": 600}}"#).at("status", "token")?.string ?? ""
        #expect(client.cluster.user(token: token)?.name == "system:serviceaccount:default:agent")
        client.send("DELETE", path)
        #expect(client.cluster.user(token: token) == nil)
    }

    @Test("discovery and OpenAPI name every kind, custom ones included")
    func discovery() {
        var client = TestClient(definitions: true)
        let groups = client.get("/apis").at("groups")?.array?.compactMap { $0["name"]?.string } ?? []
        #expect(groups.contains("apps") && groups.contains("cslab.ece.ntua.gr"))
        let kinds = client.get("/apis/cslab.ece.ntua.gr/v1alpha1").at("resources")?.array ?? []
        #expect(
            kinds.compactMap { $0["name"]?.string } == [
                "nodecputopologies", "nodecputopologies/status", "podcpubindings", "podcpubindings/status",
            ])
        #expect(kinds.last { $0["name"] == .string("podcpubindings") }?["shortNames"] == .array([.string("pcb")]))
        let index = client.get("/openapi/v3").at("paths", "apis/cslab.ece.ntua.gr/v1alpha1", "serverRelativeURL")?
            .string
        let document = client.get(index ?? "")
        let schema = document.at("components", "schemas", "gr.ntua.ece.cslab.v1alpha1.PodCPUBinding")
        #expect(schema?.at("properties", "spec", "properties", "podName", "type") == .string("string"))
        let pods = client.get("/openapi/v3/api/v1").at("components", "schemas", "io.k8s.api.core.v1.PodSpec")
        #expect(pods?.at("properties", "containers", "x-kubernetes-patch-merge-key") == .string("name"))
        #expect(client.get("/openapi/v2").at("definitions", "io.k8s.api.core.v1.Pod") != nil)
        #expect(client.get("/version").at("gitVersion") == .string("v1.36.2"))
    }
}
