import ClusterStandIn
import TestSupport
import Testing
import WireJSON

/// What holds for objects of every kind.
@Suite struct ObjectTests {
    @Test("a created object has what the server gives it: uid, time, version, managers")
    func creation() {
        var client = TestClient()
        let made = client.configMap("a", data: #"{"k": "v"}"#)
        #expect(made.status == 201)
        #expect(made.at("kind") == .string("ConfigMap") && made.at("apiVersion") == .string("v1"))
        #expect(made.at("metadata", "uid")?.string?.count == 36)
        #expect(made.at("metadata", "creationTimestamp") == .string("2023-11-14T22:13:20Z"))
        #expect(made.version == "\(client.cluster.version)")
        #expect(made.at("metadata", "managedFields")?.array?.first?["manager"] == .string("test"))
        #expect(client.get("\(TestClient.configMaps)/a").body == made.body)
    }

    @Test("creating what exists, reading what does not, and paths that nobody serves are refused in the real words")
    func refusals() {
        var client = TestClient()
        client.configMap("a")
        let again = client.configMap("a")
        #expect(again.status == 409 && again.reason == "AlreadyExists")
        #expect(again.message == #"configmaps "a" already exists"#)
        let missing = client.get("\(TestClient.configMaps)/b")
        #expect(
            missing.status == 404 && missing.reason == "NotFound" && missing.message == #"configmaps "b" not found"#)
        #expect(missing.at("details", "name") == .string("b") && missing.at("details", "kind") == .string("configmaps"))
        #expect(
            client.get("/api/v1/namespaces/default/widgets").message
                == "the server could not find the requested resource")
        #expect(client.get("/apis/nobody.example.org/v1/widgets").text == "404 page not found\n")
        #expect(
            client.create("/api/v1/namespaces/nowhere/configmaps", #"{"metadata":{"name":"a"}}"#).message
                == #"namespaces "nowhere" not found"#)
        #expect(client.create(TestClient.configMaps, "{").status == 400)
        #expect(client.create(TestClient.configMaps, "[]").status == 400)
        #expect(client.create(TestClient.configMaps, #"{"apiVersion":"v2","kind":"ConfigMap"}"#).status == 400)
        #expect(client.send("POST", "\(TestClient.configMaps)/a", "{}").status == 405)
    }

    @Test("a name is checked, generated where asked, and must be that of the path")
    func names() {
        var client = TestClient()
        let bad = client.configMap("Not_A_Name")
        #expect(bad.status == 422 && bad.reason == "Invalid")
        #expect(
            bad.message.hasPrefix(
                #"ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": a lowercase RFC 1123 subdomain"#
            ))
        let none = client.create(TestClient.configMaps, "{}")
        #expect(none.message.contains("metadata.name: Required value: name or generateName is required"))
        let first = client.create(TestClient.configMaps, #"{"metadata": {"generateName": "x-"}}"#)
        let second = client.create(TestClient.configMaps, #"{"metadata": {"generateName": "x-"}}"#)
        let names = [first, second].compactMap { $0.at("metadata", "name")?.string }
        #expect(names.count == 2 && Set(names).count == 2 && names.allSatisfy { $0.hasPrefix("x-") && $0.count == 7 })
        client.configMap("a")
        let other = client.send("PUT", "\(TestClient.configMaps)/a", #"{"metadata": {"name": "b"}}"#)
        #expect(other.message == "the name of the object (b) does not match the name on the URL (a)")
        let labels = client.configMap("b", labels: #"{"a/b/c": "x"}"#)
        #expect(labels.status == 422 && labels.message.contains("metadata.labels: Invalid value"))
    }

    @Test(
        "an update of an old version is refused, one without a version is not, one that changes nothing changes nothing"
    )
    func versions() {
        var client = TestClient()
        let made = client.configMap("a", data: #"{"k": "1"}"#)
        func body(_ value: String, _ version: String) -> String {
            #"{"metadata": {"name": "a", "resourceVersion": "\#(version)"}, "data": {"k": "\#(value)"}}"#
        }
        let path = "\(TestClient.configMaps)/a"
        let updated = client.send("PUT", path, body("2", made.version))
        #expect(updated.status == 200 && updated.version != made.version)
        let stale = client.send("PUT", path, body("3", made.version))
        #expect(stale.status == 409 && stale.reason == "Conflict")
        #expect(
            stale.message
                == #"Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#
        )
        let forced = client.send("PUT", path, body("4", ""))
        #expect(forced.status == 200 && forced.at("data", "k") == .string("4"))
        let same = client.send("PUT", path, body("4", forced.version))
        #expect(same.status == 200 && same.version == forced.version)
        let other = client.send("PUT", path, #"{"metadata": {"name": "a", "uid": "another"}}"#)
        #expect(other.status == 409 && other.message.contains("Precondition failed: UID in precondition: another"))
    }

    @Test("what the system sets cannot be changed")
    func systemFields() {
        var client = TestClient()
        let made = client.configMap("a")
        let changed = client.merge(
            "\(TestClient.configMaps)/a",
            #"{"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "deletionTimestamp": "2001-01-01T00:00:00Z", "generation": 7, "labels": {"a": "b"}}}"#
        )
        #expect(changed.at("metadata", "creationTimestamp") == made.at("metadata", "creationTimestamp"))
        #expect(changed.at("metadata", "deletionTimestamp") == nil && changed.at("metadata", "generation") == nil)
        #expect(changed.at("metadata", "labels", "a") == .string("b"))
    }

    @Test(
        "an unknown field is dropped with a warning, refused where the client asks for that, silent where it asks for that"
    )
    func unknownFields() {
        var client = TestClient()
        let body = #"{"metadata": {"name": "a"}, "date": {}}"#
        let strict = client.create("\(TestClient.configMaps)?fieldValidation=Strict", body)
        #expect(strict.status == 400)
        #expect(
            strict.message
                == #"ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "date""#
        )
        let warned = client.create("\(TestClient.configMaps)?fieldValidation=Warn", body)
        #expect(
            warned.status == 201 && warned.answer.warnings == [#"unknown field "date""#] && warned.at("date") == nil)
        let ignored = client.send("PUT", "\(TestClient.configMaps)/a?fieldValidation=Ignore", body)
        #expect(ignored.status == 200 && ignored.answer.warnings.isEmpty)
        let wrong = client.create(TestClient.configMaps, #"{"metadata": {"name": "b"}, "data": {"a": 1}}"#)
        #expect(
            wrong.status == 400
                && wrong.message.contains(
                    "json: cannot unmarshal number into Go struct field ConfigMap.data of type string")
        )
    }

    @Test("a dry run answers as the real run would, and changes nothing")
    func dryRun() {
        var client = TestClient()
        let version = client.cluster.version
        #expect(client.create("\(TestClient.configMaps)?dryRun=All", #"{"metadata": {"name": "a"}}"#).status == 201)
        #expect(client.cluster.version == version && client.get("\(TestClient.configMaps)/a").status == 404)
        client.configMap("a")
        #expect(client.send("DELETE", "\(TestClient.configMaps)/a?dryRun=All").status == 200)
        #expect(client.get("\(TestClient.configMaps)/a").status == 200)
        #expect(client.create("\(TestClient.configMaps)?dryRun=Some", "{}").status == 422)
    }

    @Test("a pod gets the defaults of a pod, and its spec stays as it was made")
    func pods() {
        var client = TestClient()
        let pod = client.pod("web")
        #expect(
            pod.at("status", "phase") == .string("Pending") && pod.at("status", "qosClass") == .string("BestEffort"))
        #expect(pod.at("spec", "schedulerName") == .string("default-scheduler"))
        #expect(pod.at("spec", "terminationGracePeriodSeconds") == .number("30"))
        #expect(pod.at("metadata", "generation") == .number("1"))
        let changed = client.merge("\(TestClient.pods)/web", #"{"spec": {"hostNetwork": true}}"#)
        #expect(changed.status == 422 && changed.message.contains("pod updates may not change fields other than"))
        let empty = client.create(TestClient.pods, #"{"metadata": {"name": "b"}, "spec": {"containers": []}}"#)
        #expect(empty.message == #"Pod "b" is invalid: spec.containers: Required value"#)
    }

    @Test("the status is changed through its subresource only, and the rest never through it")
    func status() {
        var client = TestClient()
        client.pod("web")
        let spec = client.merge("\(TestClient.pods)/web", #"{"status": {"phase": "Running"}}"#)
        #expect(spec.at("status", "phase") == .string("Pending"))
        let status = client.merge(
            "\(TestClient.pods)/web/status", #"{"status": {"phase": "Running"}, "spec": {"nodeName": "n"}}"#)
        #expect(status.at("status", "phase") == .string("Running") && status.at("spec", "nodeName") == nil)
        #expect(status.at("metadata", "generation") == .number("1"))
    }

    @Test("events of both groups are the same objects under their own names")
    func events() {
        var client = TestClient()
        let made = client.create(
            "/api/v1/namespaces/default/events",
            #"{"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "web"}, "reason": "R", "message": "M", "count": 2}"#
        )
        #expect(made.status == 201)
        let shown = client.get("/apis/events.k8s.io/v1/namespaces/default/events/e")
        #expect(shown.at("apiVersion") == .string("events.k8s.io/v1") && shown.at("note") == .string("M"))
        #expect(shown.at("regarding", "name") == .string("web") && shown.at("deprecatedCount") == .number("2"))
        let selected = client.get("/api/v1/events?fieldSelector=involvedObject.name%3Dweb")
        #expect(selected.names == ["e"])
    }

    @Test("whatever is sent, the server answers")
    func garbage() {
        var client = TestClient(definitions: true)
        var random = SeededRandom(seed: 7)
        client.configMap("a")
        let bodies = [
            "", "null", "1", "[]", "{}", #"{"metadata":1}"#, #"{"metadata":{"name":{}}}"#, #"{"spec":[]}"#,
            #"{"metadata":{"name":"a","ownerReferences":[1]}}"#, #"[{"op":"add","path":"/a/b/c"}]"#,
            #"{"apiVersion":"cslab.ece.ntua.gr/v1alpha1","kind":"PodCPUBinding","metadata":null,"spec":null}"#,
            #"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:x":1}}]}}"#,
        ]
        let paths = [
            TestClient.configMaps, "\(TestClient.configMaps)/a", "\(TestClient.pods)/a/binding", TestClient.bindings,
            "\(TestClient.bindings)/a", "\(TestClient.bindings)/a/status", "/api", "/apis//", "/", "", "%",
            "/api/v1/%zz",
            "/api/v1/namespaces/default/configmaps?limit=-1&continue=AAAA", "/openapi/v3/apis/x/y",
            "/api/v1/configmaps?labelSelector=%21%21&watch=1", "/api/v1/namespaces/default/finalize",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/api/v1/namespaces/default/bindings",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        ]
        let types = [
            "application/json", "application/merge-patch+json", "application/json-patch+json",
            "application/strategic-merge-patch+json", "application/apply-patch+yaml", "text/plain", "",
        ]
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "BREW"] {
            for path in paths {
                for body in bodies {
                    let type = types[Int(random.next() % UInt64(types.count))]
                    let reply = client.send(method, path, body, type: type)
                    #expect((200..<600).contains(reply.status))
                }
            }
        }
    }
}
