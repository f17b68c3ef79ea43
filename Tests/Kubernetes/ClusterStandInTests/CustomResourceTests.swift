import ClusterStandIn
import Testing
import WireJSON

/// Kinds that a CustomResourceDefinition declares.
@Suite struct CustomResourceTests {
    @Test("a definition is established, and its kind is served from then on")
    func definition() {
        var client = TestClient()
        #expect(client.get(TestClient.bindings).status == 404)
        client = TestClient(definitions: true)
        let definition = client.get(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/podcpubindings.cslab.ece.ntua.gr")
        let conditions = definition.at("status", "conditions")?.array ?? []
        #expect(conditions.map { $0["type"] } == [.string("NamesAccepted"), .string("Established")])
        #expect(definition.at("status", "storedVersions") == .array([.string("v1alpha1")]))
        let made = client.create(TestClient.bindings, TestClient.binding("b", cpus: #"[{"cpuID": 3}]"#, level: "Core"))
        #expect(made.status == 201 && made.at("kind") == .string("PodCPUBinding"))
        #expect(made.at("metadata", "generation") == .number("1"))
        let list = client.get(TestClient.bindings)
        #expect(list.at("kind") == .string("PodCPUBindingList"))
        #expect(list.items.first?["kind"] == .string("PodCPUBinding"))
    }

    @Test("what the schema refuses is refused with the field, in the real words")
    func validation() {
        var client = TestClient(definitions: true)
        let level = client.create(TestClient.bindings, TestClient.binding("b", level: "Some"))
        #expect(level.status == 422)
        #expect(
            level.message
                == #"PodCPUBinding.cslab.ece.ntua.gr "b" is invalid: spec.exclusivenessLevel: Unsupported value: "Some": supported values: "None", "CPU", "Core", "Socket", "NUMA""#
        )
        #expect(level.at("details", "causes")?.array?.first?["field"] == .string("spec.exclusivenessLevel"))
        let type = client.create(TestClient.bindings, TestClient.binding("b", cpus: #"[{"cpuID": "x"}]"#))
        #expect(
            type.message.contains(
                #"spec.cpuSet[0].cpuID: Invalid value: "string": spec.cpuSet[0].cpuID in body must be of type integer: "string""#
            ))
        let missing = client.create(
            TestClient.bindings,
            #"{"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": "b"}, "spec": {"podName": "p"}}"#
        )
        #expect(missing.message.contains("[spec.cpuSet: Required value, spec.exclusivenessLevel: Required value]"))
        #expect(client.create(TestClient.bindings, TestClient.binding("b", cpus: #"[{"cpuID": -1}]"#)).status == 201)
    }

    @Test("unknown fields and nulls are pruned, also below additional properties")
    func pruning() {
        var client = TestClient(definitions: true)
        let made = client.create(
            "/apis/cslab.ece.ntua.gr/v1alpha1/nodecputopologies",
            """
            {"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology", "metadata": {"name": "n"}, "extra": 1,
             "spec": {"nodeName": "n", "topology": {"cpus": null,
              "sockets": {"0": {"cores": {"0": {"cpus": [0], "more": true}}, "cpus": [0]}}}}}
            """)
        #expect(made.status == 201 && made.at("extra") == nil)
        #expect(made.answer.warnings.count == 2)
        let core = made.at("spec", "topology", "sockets", "0", "cores", "0")
        #expect(core?["more"] == nil && core?["cpus"] == .array([.number("0")]))
        #expect(made.at("spec", "topology", "cpus") == nil)
    }

    @Test("the status has a subresource of its own, and generation counts changes of the spec only")
    func generation() {
        var client = TestClient(definitions: true)
        let path = "\(TestClient.bindings)/b"
        client.create(TestClient.bindings, TestClient.binding("b"))
        let status = client.merge(
            "\(path)/status",
            #"{"metadata": {"labels": {"a": "b"}}, "spec": {"podName": "x"}, "status": {"resourceStatus": "Pending", "nodeName": ""}}"#
        )
        #expect(status.at("status", "resourceStatus") == .string("Pending"))
        #expect(status.at("spec", "podName") == .string("web") && status.at("metadata", "labels") == nil)
        #expect(status.at("metadata", "generation") == .number("1"))
        let spec = client.merge(path, #"{"spec": {"podName": "other"}, "status": {"resourceStatus": "Failed"}}"#)
        #expect(spec.at("status", "resourceStatus") == .string("Pending"))
        #expect(spec.at("metadata", "generation") == .number("2"))
        let labels = client.merge(path, #"{"metadata": {"labels": {"a": "b"}}}"#)
        #expect(labels.at("metadata", "generation") == .number("2"))
        let wrong = client.merge("\(path)/status", #"{"status": {"resourceStatus": "Unheard"}}"#)
        #expect(wrong.status == 422 && wrong.message.contains("status.resourceStatus: Unsupported value"))
    }

    @Test("an update needs a version, and a strategic merge patch has no meaning")
    func updates() {
        var client = TestClient(definitions: true)
        client.create(TestClient.bindings, TestClient.binding("b"))
        let bare = client.send("PUT", "\(TestClient.bindings)/b", TestClient.binding("b"))
        #expect(bare.status == 422)
        #expect(bare.message.contains("metadata.resourceVersion: Invalid value: 0: must be specified for an update"))
        let strategic = client.send(
            "PATCH", "\(TestClient.bindings)/b", "{}", type: "application/strategic-merge-patch+json")
        #expect(strategic.status == 415 && strategic.reason == "UnsupportedMediaType")
    }

    @Test("defaults are filled in, nullable fields stay null, patterns and bounds are checked")
    func schemas() {
        var client = TestClient()
        let definition = """
            {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
             "metadata": {"name": "things.example.org"},
             "spec": {"group": "example.org", "scope": "Cluster", "names": {"plural": "things", "kind": "Thing"},
              "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
               "type": "object", "properties": {"spec": {"type": "object", "properties": {
                "mode": {"type": "string", "default": "slow", "pattern": "^[a-z]+$", "maxLength": 5},
                "count": {"type": "integer", "minimum": 1, "maximum": 3},
                "maybe": {"type": "string", "nullable": true},
                "list": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                "port": {"x-kubernetes-int-or-string": true}}}}}}}]}}
            """
        #expect(client.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition).status == 201)
        func thing(_ name: String, _ spec: String) -> TestClient.Reply {
            client.create(
                "/apis/example.org/v1/things",
                #"{"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "\#(name)"}, "spec": \#(spec)}"#
            )
        }
        let made = thing("a", #"{"maybe": null, "count": 2.0, "port": "http"}"#)
        #expect(made.at("spec", "mode") == .string("slow") && made.at("spec", "maybe") == .null)
        #expect(made.at("spec", "count") == .number("2"))
        let wrong = thing("b", #"{"mode": "TOO-LONG", "count": 9, "list": ["a", "b"]}"#).message
        #expect(wrong.contains("spec.mode: Too long: may not be more than 5 bytes"))
        #expect(wrong.contains("spec.mode in body should match '^[a-z]+$'"))
        #expect(wrong.contains("spec.count: Invalid value: 9: spec.count in body should be less than or equal to 3"))
        #expect(wrong.contains("spec.list: Too many: 2: must have at most 1 item"))
    }

    @Test("a definition that makes no sense is refused")
    func badDefinitions() {
        var client = TestClient()
        let reply = client.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            #"{"metadata": {"name": "a.example.org"}, "spec": {"group": "example.org", "names": {"plural": "b", "kind": "B"}, "versions": [{"name": "v1", "served": true, "storage": true}]}}"#
        )
        #expect(reply.status == 422)
        #expect(reply.message.contains("must be spec.names.plural+\".\"+spec.group"))
        #expect(reply.message.contains("spec.scope: Required value"))
        #expect(reply.message.contains("spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"))
    }

    @Test("deleting a definition deletes its objects, and waits for their finalizers")
    func deletion() {
        var client = TestClient(definitions: true)
        client.create(TestClient.bindings, TestClient.binding("b"))
        client.merge("\(TestClient.bindings)/b", #"{"metadata": {"finalizers": ["example.org/hold"]}}"#)
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/podcpubindings.cslab.ece.ntua.gr"
        #expect(client.send("DELETE", path).status == 200)
        #expect(client.get("\(TestClient.bindings)/b").at("metadata", "deletionTimestamp") != nil)
        #expect(client.get(path).status == 200)
        client.merge("\(TestClient.bindings)/b", #"{"metadata": {"finalizers": null}}"#)
        #expect(client.get(path).status == 404 && client.get("\(TestClient.bindings)/b").status == 404)
    }
}
