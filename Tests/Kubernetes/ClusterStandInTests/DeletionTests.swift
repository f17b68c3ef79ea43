import ClusterStandIn
import Testing
import WireJSON

/// Deletion, finalizers, owners and namespaces.
@Suite struct DeletionTests {
    @Test("an object with a finalizer waits for it, and takes no further ones")
    func finalizers() {
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        client.configMap("a")
        client.merge(path, #"{"metadata": {"finalizers": ["example.org/one", "example.org/two"]}}"#)
        let deleted = client.send("DELETE", path)
        #expect(deleted.status == 200 && deleted.at("kind") == .string("ConfigMap"))
        #expect(deleted.at("metadata", "deletionTimestamp") != nil)
        let version = deleted.version
        #expect(client.send("DELETE", path).version == version)
        let more = client.merge(
            path, #"{"metadata": {"finalizers": ["example.org/one", "example.org/two", "example.org/three"]}}"#)
        #expect(more.status == 422 && more.message.contains(#"found new finalizers []string{"example.org/three"}"#))
        #expect(client.merge(path, #"{"metadata": {"finalizers": ["example.org/two"]}}"#).status == 200)
        #expect(client.get(path).status == 200)
        #expect(client.merge(path, #"{"metadata": {"finalizers": []}}"#).status == 200)
        #expect(client.get(path).status == 404)
    }

    @Test("a deletion is answered with a Status, and holds to its preconditions")
    func preconditions() {
        var client = TestClient()
        let made = client.configMap("a")
        let path = "\(TestClient.configMaps)/a"
        let uid = client.send("DELETE", path, #"{"preconditions": {"uid": "another"}}"#)
        #expect(uid.status == 409 && uid.reason == "Conflict")
        #expect(client.send("DELETE", path, #"{"preconditions": {"resourceVersion": "1"}}"#).status == 409)
        let done = client.send(
            "DELETE", path, #"{"preconditions": {"uid": "\#(made.at("metadata", "uid")?.string ?? "")"}}"#)
        #expect(done.at("kind") == .string("Status") && done.at("status") == .string("Success"))
        #expect(done.at("details", "name") == .string("a"))
        #expect(client.send("DELETE", path).status == 404)
        #expect(client.send("DELETE", path, #"{"propagationPolicy": "Sideways"}"#).status == 422)
    }

    @Test("a pod on a node ends gracefully: it is marked, and gone when the kubelet says so")
    func pods() {
        var client = TestClient()
        client.pod("a", node: "n1")
        let path = "\(TestClient.pods)/a"
        let marked = client.send("DELETE", path)
        #expect(marked.at("metadata", "deletionGracePeriodSeconds") == .number("30"))
        #expect(marked.at("metadata", "deletionTimestamp") == .string("2023-11-14T22:13:50Z"))
        #expect(client.merge("\(path)/status", #"{"status": {"phase": "Succeeded"}}"#).status == 200)
        #expect(client.get(path).status == 200)
        let shorter = client.send("DELETE", path, #"{"gracePeriodSeconds": 5}"#)
        #expect(shorter.at("metadata", "deletionGracePeriodSeconds") == .number("5"))
        #expect(shorter.at("metadata", "deletionTimestamp") == .string("2023-11-14T22:13:25Z"))
        let longer = client.send("DELETE", path, #"{"gracePeriodSeconds": 50}"#)
        #expect(longer.version == shorter.version)
        client.pod("b", node: "n1")
        #expect(client.send("DELETE", "\(TestClient.pods)/b", #"{"gracePeriodSeconds": 0}"#).status == 200)
        #expect(client.get("\(TestClient.pods)/b").status == 404)
        client.pod("c")
        #expect(client.send("DELETE", "\(TestClient.pods)/c").status == 200)
        #expect(client.get("\(TestClient.pods)/c").status == 404)
    }

    private func owner(_ reply: TestClient.Reply, blocks: Bool = false) -> String {
        #"[{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "\#(reply.at("metadata", "uid")?.string ?? "")", "blockOwnerDeletion": \#(blocks)}]"#
    }

    @Test("dependents go with their owner, and theirs with them")
    func background() {
        var client = TestClient()
        let root = client.configMap("root")
        let child = client.configMap("child", owners: owner(root))
        client.configMap("grandchild", owners: owner(child))
        client.send("DELETE", "\(TestClient.configMaps)/root")
        #expect(client.get(TestClient.configMaps).names.isEmpty)
    }

    @Test("an object whose only owner does not exist is removed; one that has another loses the reference")
    func absentOwners() {
        var client = TestClient()
        client.configMap(
            "lost", owners: #"[{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "no-such-uid"}]"#)
        #expect(client.get("\(TestClient.configMaps)/lost").status == 404)
        let (one, two) = (client.configMap("one"), client.configMap("two"))
        let both = owner(one).dropLast() + "," + owner(two).dropFirst()
        client.configMap("child", owners: String(both))
        client.send("DELETE", "\(TestClient.configMaps)/one")
        let child = client.get("\(TestClient.configMaps)/child")
        #expect(child.at("metadata", "ownerReferences")?.array?.count == 1)
    }

    @Test("in the foreground the owner waits for dependents that block it")
    func foreground() {
        var client = TestClient()
        let root = client.configMap("root")
        client.configMap("child", owners: owner(root, blocks: true))
        client.merge("\(TestClient.configMaps)/child", #"{"metadata": {"finalizers": ["example.org/hold"]}}"#)
        client.send("DELETE", "\(TestClient.configMaps)/root", #"{"propagationPolicy": "Foreground"}"#)
        let waiting = client.get("\(TestClient.configMaps)/root")
        #expect(waiting.at("metadata", "finalizers") == .array([.string("foregroundDeletion")]))
        #expect(client.get("\(TestClient.configMaps)/child").at("metadata", "deletionTimestamp") != nil)
        client.merge("\(TestClient.configMaps)/child", #"{"metadata": {"finalizers": null}}"#)
        #expect(client.get(TestClient.configMaps).names.isEmpty)
    }

    @Test("orphans stay, without their owner")
    func orphans() {
        var client = TestClient()
        let root = client.configMap("root")
        client.configMap("child", owners: owner(root))
        client.send("DELETE", "\(TestClient.configMaps)/root", #"{"propagationPolicy": "Orphan"}"#)
        #expect(client.get("\(TestClient.configMaps)/root").status == 404)
        #expect(client.get("\(TestClient.configMaps)/child").at("metadata", "ownerReferences") == nil)
    }

    @Test("a collection is deleted by its selectors")
    func collections() {
        var client = TestClient()
        client.configMap("a", labels: #"{"x": "1"}"#)
        client.configMap("b")
        let reply = client.send("DELETE", "\(TestClient.configMaps)?labelSelector=x")
        #expect(reply.at("kind") == .string("ConfigMapList") && reply.names == ["a"])
        #expect(client.get(TestClient.configMaps).names == ["b"])
    }

    @Test("a namespace is emptied, takes nothing new meanwhile, and goes")
    func namespaces() {
        var client = TestClient()
        client.create("/api/v1/namespaces", #"{"metadata": {"name": "team"}}"#)
        let maps = "/api/v1/namespaces/team/configmaps"
        client.create(maps, #"{"metadata": {"name": "a"}}"#)
        client.create(maps, #"{"metadata": {"name": "held", "finalizers": ["example.org/hold"]}}"#)
        let deleted = client.send("DELETE", "/api/v1/namespaces/team")
        #expect(deleted.at("status", "phase") == .string("Terminating"))
        #expect(client.get(maps).names == ["held"])
        let refused = client.create(maps, #"{"metadata": {"name": "b"}}"#)
        #expect(refused.status == 403)
        #expect(
            refused.message
                == #"configmaps "b" is forbidden: unable to create new content in namespace team because it is being terminated"#
        )
        client.merge("\(maps)/held", #"{"metadata": {"finalizers": null}}"#)
        #expect(client.get("/api/v1/namespaces/team").status == 404)
        #expect(client.send("DELETE", "/api/v1/namespaces/default").status == 403)
    }
}

/// What is done to pods besides.
@Suite struct PodTests {
    @Test("a binding gives a pod its node, once")
    func binding() {
        var client = TestClient()
        client.pod("a")
        let body = #"{"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n1"}}"#
        #expect(client.create("\(TestClient.pods)/a/binding", body).status == 201)
        let pod = client.get("\(TestClient.pods)/a")
        #expect(pod.at("spec", "nodeName") == .string("n1"))
        #expect(pod.at("status", "conditions")?.array?.first?["type"] == .string("PodScheduled"))
        let again = client.create("\(TestClient.pods)/a/binding", body)
        #expect(again.status == 409)
        #expect(
            again.message
                == #"Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1""#)
        client.pod("b")
        #expect(
            client.create(
                "/api/v1/namespaces/default/bindings", #"{"metadata": {"name": "b"}, "target": {"name": "n2"}}"#
            ).status == 201)
        client.pod("c")
        let uid = client.create(
            "\(TestClient.pods)/c/binding", #"{"metadata": {"name": "c", "uid": "x"}, "target": {"name": "n2"}}"#)
        #expect(uid.status == 409)
    }

    @Test("an eviction is refused where the disruption budget is used up")
    func eviction() {
        var client = TestClient()
        client.pod("a", node: "n1", labels: #"{"app": "x"}"#)
        client.merge("\(TestClient.pods)/a/status", #"{"status": {"phase": "Running"}}"#)
        let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        client.create(
            budgets,
            #"{"metadata": {"name": "p"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "x"}}}}"#)
        let body = #"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}}"#
        let refused = client.create("\(TestClient.pods)/a/eviction", body)
        #expect(refused.status == 429)
        #expect(refused.message == "Cannot evict pod as it would violate the pod's disruption budget.")
        client.merge("\(budgets)/p/status", #"{"status": {"disruptionsAllowed": 1, "observedGeneration": 1}}"#)
        #expect(client.create("\(TestClient.pods)/a/eviction", body).status == 201)
        #expect(client.get("\(TestClient.pods)/a").at("metadata", "deletionTimestamp") != nil)
    }

    @Test("a log is text, of the container that is asked for")
    func logs() {
        var client = TestClient()
        client.pod("a")
        client.cluster.logs["default/a"] = "one\ntwo\nthree\n"
        #expect(client.get("\(TestClient.pods)/a/log").text == "one\ntwo\nthree\n")
        #expect(client.get("\(TestClient.pods)/a/log?container=main&tailLines=1").text == "three\n")
        #expect(
            client.get("\(TestClient.pods)/a/log?container=other").message == "container other is not valid for pod a")
    }

    @Test("a scale is read and written as an object of its own")
    func scale() {
        var client = TestClient()
        let path = "/apis/apps/v1/namespaces/default/deployments"
        client.create(
            path,
            #"{"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}"#
        )
        #expect(client.get("\(path)/d/scale").at("status", "selector") == .string("a=b"))
        #expect(client.merge("\(path)/d/scale", #"{"spec": {"replicas": 3}}"#).at("spec", "replicas") == .number("3"))
        #expect(client.get("\(path)/d").at("spec", "replicas") == .number("3"))
    }
}
