import ClusterStandIn
import Testing
import WireJSON

/// Patches of all kinds.
@Suite struct PatchTests {
    @Test("a merge patch sets, replaces and removes")
    func merge() {
        var client = TestClient()
        client.configMap("a", labels: #"{"x": "1"}"#, data: #"{"k": "1", "l": "2"}"#)
        let reply = client.merge(
            "\(TestClient.configMaps)/a", #"{"data": {"k": null, "l": "3", "m": "4"}, "metadata": {"labels": null}}"#)
        #expect(reply.status == 200 && reply.at("metadata", "labels") == nil)
        #expect(
            reply.at("data") == .object([.init(name: "l", value: .string("3")), .init(name: "m", value: .string("4"))]))
    }

    @Test("a JSON patch is applied whole or not at all")
    func json() {
        var client = TestClient()
        client.configMap("a", data: #"{"k": "1"}"#)
        func patch(_ body: String) -> TestClient.Reply {
            client.send("PATCH", "\(TestClient.configMaps)/a", body, type: "application/json-patch+json")
        }
        let done = patch(
            #"[{"op": "test", "path": "/data/k", "value": "1"}, {"op": "add", "path": "/data/a~1b", "value": "2"}, {"op": "move", "from": "/data/k", "path": "/data/l"}, {"op": "copy", "from": "/data/l", "path": "/data/m"}]"#
        )
        #expect(done.at("data", "a/b") == .string("2") && done.at("data", "k") == nil)
        #expect(done.at("data", "l") == .string("1") && done.at("data", "m") == .string("1"))
        for wrong in [
            #"[{"op": "remove", "path": "/data/m"}, {"op": "test", "path": "/data/l", "value": "9"}]"#,
            #"[{"op": "remove", "path": "/data/m"}, {"op": "remove", "path": "/data/none"}]"#,
            #"[{"op": "remove", "path": "/data/m"}, {"op": "turn", "path": "/data/l"}]"#,
        ] {
            let reply = patch(wrong)
            #expect(reply.status == 422 && reply.reason == "Invalid")
        }
        #expect(client.get("\(TestClient.configMaps)/a").at("data", "m") == .string("1"))
        #expect(patch("{}").status == 400)
    }

    @Test("a patch whose copies grow without end, in depth or in size, is refused")
    func bombs() {
        var client = TestClient(definitions: true)
        client.configMap("a")
        func patch(_ operations: [String]) -> TestClient.Reply {
            client.send(
                "PATCH", "\(TestClient.configMaps)/a", "[\(operations.joined(separator: ","))]",
                type: "application/json-patch+json")
        }
        let start = #"{"op": "add", "path": "/x", "value": [[1, 2, 3]]}"#
        let wide = patch([start] + (0..<40).map { _ in #"{"op": "copy", "from": "/x", "path": "/x/0"}"# })
        #expect(wide.status == 422)
        let deep = (0..<200).map { _ in #"{"op": "copy", "from": "/x", "path": "/x/0/0"}"# }
        #expect(patch([start] + deep).status == 422)
        #expect(client.get("\(TestClient.configMaps)/a").at("x") == nil)
    }

    @Test("a strategic merge patch merges containers by name and deletes by directive")
    func strategic() {
        var client = TestClient()
        let made = client.create(
            "/apis/apps/v1/namespaces/default/deployments",
            """
            {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
             "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
              {"name": "one", "image": "one:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
              {"name": "two", "image": "two:1"}]}}}}
            """)
        #expect(made.status == 201 && made.at("spec", "replicas") == .number("1"))
        func patch(_ containers: String) -> [JSONValue] {
            client.send(
                "PATCH", "/apis/apps/v1/namespaces/default/deployments/d",
                #"{"spec": {"template": {"spec": {"containers": \#(containers)}}}}"#,
                type: "application/strategic-merge-patch+json"
            ).at("spec", "template", "spec", "containers")?.array ?? []
        }
        let changed = patch(
            #"[{"name": "one", "image": "one:2", "env": [{"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}]}]"#
        )
        #expect(changed.map { $0["image"] } == [.string("one:2"), .string("two:1")])
        // What a patch adds stands before what it does not mention, as on a real server.
        #expect(changed.first?["env"]?.array?.map { $0["name"] } == [.string("C"), .string("A")])
        #expect(patch(#"[{"name": "one", "$patch": "delete"}]"#).map { $0["name"] } == [.string("two")])
        #expect(
            patch(#"[{"$patch": "replace"}, {"name": "new", "image": "new:1"}]"#).map { $0["name"] } == [.string("new")]
        )
    }

    @Test("a patch that names an old version is refused, one that names none is not")
    func versions() {
        var client = TestClient()
        let made = client.configMap("a")
        let path = "\(TestClient.configMaps)/a"
        #expect(client.merge(path, #"{"data": {"k": "1"}}"#).status == 200)
        #expect(
            client.merge(path, #"{"metadata": {"resourceVersion": "\#(made.version)"}, "data": {"k": "2"}}"#).status
                == 409)
        #expect(client.merge("\(TestClient.configMaps)/none", "{}").status == 404)
        #expect(client.send("PATCH", path, "{}", type: "application/json").status == 415)
    }
}

/// Server-side apply and the managers of fields.
@Suite struct ApplyTests {
    private func binding(_ cpus: String, level: String? = nil) -> String {
        """
        {"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": "b"},
         "spec": {"podName": "web", "cpuSet": \(cpus)\(level.map { #", "exclusivenessLevel": "\#($0)""# } ?? "")}}
        """
    }

    @Test("an apply creates, is the same again, and names its manager")
    func creation() {
        var client = TestClient(definitions: true)
        let path = "\(TestClient.bindings)/b"
        let made = client.apply(path, binding("[]", level: "None"), manager: "one")
        #expect(made.status == 201)
        let manager = made.at("metadata", "managedFields")?.array?.first
        #expect(manager?["manager"] == .string("one") && manager?["operation"] == .string("Apply"))
        #expect(manager?.at("fieldsV1", "f:spec", "f:podName") == .object([]))
        let again = client.apply(path, binding("[]", level: "None"), manager: "one")
        #expect(again.status == 200 && again.version == made.version)
        #expect(client.apply("\(TestClient.configMaps)/a", "{}", manager: "one").status == 400)
        let unnamed = client.send("PATCH", path, binding("[]"), type: "application/apply-patch+yaml")
        #expect(
            unnamed.status == 422
                && unnamed.message.contains("fieldManager: Required value: is required for apply patch"))
    }

    @Test("a field of another manager is a conflict that names both, and force takes it")
    func conflicts() {
        var client = TestClient(definitions: true)
        let path = "\(TestClient.bindings)/b"
        client.apply(path, binding("[]", level: "None"), manager: "one")
        let conflict = client.apply(path, binding("[]", level: "CPU"), manager: "two")
        #expect(conflict.status == 409 && conflict.reason == "Conflict")
        #expect(
            conflict.message == #"Apply failed with 1 conflict: conflict with "one": .spec.exclusivenessLevel"#)
        let cause = conflict.at("details", "causes")?.array?.first
        #expect(
            cause?["reason"] == .string("FieldManagerConflict")
                && cause?["field"] == .string(".spec.exclusivenessLevel"))
        let forced = client.apply(path, binding("[]", level: "CPU"), manager: "two", force: true)
        #expect(forced.status == 200 && forced.at("spec", "exclusivenessLevel") == .string("CPU"))
        let back = client.apply(path, binding("[]", level: "None"), manager: "one")
        #expect(back.message == #"Apply failed with 1 conflict: conflict with "two": .spec.exclusivenessLevel"#)
        client.merge(path, #"{"spec": {"podName": "other", "exclusivenessLevel": "NUMA"}}"#)
        let many = client.apply(path, binding("[]", level: "None"), manager: "one")
        #expect(
            many.message
                == """
                Apply failed with 2 conflicts: conflicts with "test" using cslab.ece.ntua.gr/v1alpha1:
                - .spec.exclusivenessLevel
                - .spec.podName
                """)
    }

    @Test("what a manager no longer applies is removed, unless others have it")
    func removal() {
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        func map(_ data: String) -> String {
            #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": \#(data)}"#
        }
        client.apply(path, map(#"{"x": "1", "y": "2"}"#), manager: "one")
        client.apply(path, map(#"{"y": "2", "z": "3"}"#), manager: "two")
        let left = client.apply(path, map("{}"), manager: "one")
        #expect(
            left.at("data", "x") == nil && left.at("data", "y") == .string("2") && left.at("data", "z") == .string("3"))
        #expect(client.apply(path, map(#"{"z": "3"}"#), manager: "two").at("data", "y") == nil)
    }

    @Test("a map that was noted by itself stays where an apply sets a member of it")
    func parents() {
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        client.configMap("a", data: #"{"k": "1"}"#)
        client.merge(
            path,
            #"{"metadata": {"managedFields": [{"manager": "one", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:k": {}}}}]}}"#
        )
        let body = #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}"#
        #expect(client.apply(path, body, manager: "one").at("data", "k") == .string("1"))
    }

    @Test("elements of a list with keys belong to whoever set them")
    func lists() {
        var client = TestClient()
        let path = "/api/v1/namespaces/default/services/s"
        func service(_ ports: String) -> String {
            #"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": \#(ports)}}"#
        }
        client.apply(path, service(#"[{"port": 80, "protocol": "TCP", "name": "a"}]"#), manager: "one")
        let both = client.apply(path, service(#"[{"port": 81, "protocol": "TCP", "name": "b"}]"#), manager: "two")
        #expect(both.at("spec", "ports")?.array?.count == 2)
        let fields = both.at("metadata", "managedFields")?.array?.first { $0["manager"] == .string("two") }
        #expect(
            fields?.at("fieldsV1", "f:spec", "f:ports", #"k:{"port":81,"protocol":"TCP"}"#, "f:name") == .object([]))
        let one = client.apply(path, service(#"[{"port": 82, "protocol": "TCP", "name": "c"}]"#), manager: "one")
        #expect(one.at("spec", "ports")?.array?.compactMap { $0["port"]?.integer }.sorted() == [81, 82])
    }

    @Test("what an update adds is noted as a real server notes it")
    func notes() {
        var client = TestClient(definitions: true)
        func fields(_ reply: TestClient.Reply) -> JSONValue? {
            reply.at("metadata", "managedFields")?.array?.first?["fieldsV1"]
        }
        let custom = client.create(TestClient.bindings, TestClient.binding("b"))
        #expect(fields(custom)?.at("f:spec", ".") == .object([]))
        let pod = client.pod("p", labels: #"{"a": "b"}"#)
        #expect(fields(pod)?.at("f:metadata", "f:labels", ".") == .object([]))
        #expect(fields(pod)?.at("f:spec", ".") == nil && fields(pod)?.at("f:spec", "f:containers", ".") == nil)
        #expect(fields(pod)?.at("f:spec", "f:containers", #"k:{"name":"main"}"#, ".") == .object([]))
    }

    @Test("managers of the same second are listed by name, whoever came first; who applies comes before who updates")
    func order() {
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        client.configMap("a", data: #"{"u": "1"}"#)
        func map(_ name: String) -> String {
            #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"\#(name)": "1"}}"#
        }
        client.apply(path, map("z"), manager: "zoe")
        let both = client.apply(path, map("b"), manager: "bob")
        let names = both.at("metadata", "managedFields")?.array?.compactMap { $0["manager"]?.string }
        #expect(names == ["bob", "zoe", "test"])
    }

    @Test("what had no managers has those before the first apply")
    func untracked() {
        var client = TestClient()
        let path = "\(TestClient.configMaps)/a"
        client.configMap("a")
        #expect(client.merge(path, #"{"data": {"k": "1"}}"#).at("metadata", "managedFields") == nil)
        let body = #"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "2"}}"#
        let conflict = client.apply(path, body, manager: "one")
        #expect(
            conflict.message
                == #"Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.k"#)
    }

    @Test("an update moves the fields that it changes to its manager, and the status has managers of its own")
    func updates() {
        var client = TestClient(definitions: true)
        let path = "\(TestClient.bindings)/b"
        client.apply(path, binding("[]", level: "None"), manager: "one")
        client.merge(path, #"{"spec": {"podName": "other"}}"#)
        let status = client.merge("\(path)/status", #"{"status": {"resourceStatus": "Pending", "nodeName": "n"}}"#)
        let managers = status.at("metadata", "managedFields")?.array ?? []
        #expect(managers.count == 3)
        let one = managers.first { $0["manager"] == .string("one") }
        #expect(one?.at("fieldsV1", "f:spec", "f:podName") == nil)
        let updater = managers.first { $0["subresource"] == nil && $0["operation"] == .string("Update") }
        #expect(updater?.at("fieldsV1", "f:spec", "f:podName") == .object([]))
        let own = managers.first { $0["subresource"] == .string("status") }
        #expect(own?.at("fieldsV1", "f:status", "f:nodeName") == .object([]))
    }
}
