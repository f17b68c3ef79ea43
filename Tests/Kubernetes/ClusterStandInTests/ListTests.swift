import ClusterStandIn
import Testing
import WireJSON

/// Lists, pages and selectors.
@Suite struct ListTests {
    @Test("pages show one version of the list, whatever happens between them")
    func pages() {
        var client = TestClient()
        for index in 0..<10 { client.configMap("c\(index)") }
        let whole = client.get(TestClient.configMaps).names
        let first = client.get("\(TestClient.configMaps)?limit=4")
        #expect(first.names.count == 4 && first.at("metadata", "remainingItemCount") == .number("6"))
        client.configMap("c45")
        client.send("DELETE", "\(TestClient.configMaps)/c6")
        client.merge("\(TestClient.configMaps)/c8", #"{"data": {"new": "1"}}"#)
        var names = first.names
        var token = first.at("metadata", "continue")?.string ?? ""
        while !token.isEmpty {
            let page = client.get("\(TestClient.configMaps)?limit=4&continue=\(token.replacing("=", with: "%3D"))")
            #expect(page.status == 200 && page.version == first.version)
            #expect(page.items.allSatisfy { $0.at("data", "new") == nil })
            names += page.names
            token = page.at("metadata", "continue")?.string ?? ""
        }
        #expect(names == whole)
    }

    @Test("pages of a version that is forgotten expire, and can be gone on with as it is now")
    func expiry() {
        var client = TestClient()
        for index in 0..<6 { client.configMap("c\(index)") }
        let first = client.get("\(TestClient.configMaps)?limit=2")
        client.configMap("d")
        client.cluster.compact()
        let token = (first.at("metadata", "continue")?.string ?? "").replacing("=", with: "%3D")
        let expired = client.get("\(TestClient.configMaps)?limit=2&continue=\(token)")
        #expect(expired.status == 410 && expired.reason == "Expired")
        #expect(
            expired.message.hasPrefix("The provided continue parameter is too old to display a consistent list result.")
        )
        let fresh = (expired.at("metadata", "continue")?.string ?? "").replacing("=", with: "%3D")
        #expect(client.get("\(TestClient.configMaps)?continue=\(fresh)").names == ["c2", "c3", "c4", "c5", "d"])
        #expect(client.get("\(TestClient.configMaps)?continue=zzz").status == 400)
    }

    @Test("items of built-in kinds do not say their kind, and a version from the future is refused")
    func form() {
        var client = TestClient()
        client.configMap("a")
        let list = client.get(TestClient.configMaps)
        #expect(list.items.first?["kind"] == nil && list.at("kind") == .string("ConfigMapList"))
        let future = client.get("\(TestClient.configMaps)?resourceVersion=1000000&resourceVersionMatch=NotOlderThan")
        #expect(future.status == 504 && future.message.contains("Too large resource version: 1000000"))
        let exact = client.get("\(TestClient.configMaps)?resourceVersion=1&resourceVersionMatch=Exact")
        #expect(exact.names.isEmpty)
    }

    @Test("labels and fields select, across namespaces too")
    func selectors() {
        var client = TestClient()
        client.pod("a", node: "n1", labels: #"{"app": "x", "tier": "1"}"#)
        client.pod("b", node: "n2", labels: #"{"app": "y"}"#)
        client.pod("c")
        func names(_ query: String) -> [String] { client.get("/api/v1/pods?\(query)").names }
        #expect(names("labelSelector=app%3Dx") == ["a"])
        #expect(names("labelSelector=app%20in%20(x,y),tier!%3D1") == ["b"])
        #expect(names("labelSelector=!app") == ["c"] && names("labelSelector=app") == ["a", "b"])
        #expect(names("labelSelector=app%20notin%20(x)") == ["b", "c"])
        #expect(names("fieldSelector=spec.nodeName%3Dn1") == ["a"])
        #expect(names("fieldSelector=spec.nodeName!%3Dn1,status.phase%3DPending") == ["b", "c"])
        #expect(names("fieldSelector=metadata.name%3Dc") == ["c"])
        let unknown = client.get("/api/v1/pods?fieldSelector=spec.color%3Dred")
        #expect(unknown.status == 400 && unknown.message == "field label not supported: spec.color")
        #expect(client.get("/api/v1/pods?labelSelector=a%3D%3D%3Db").status == 400)
    }

    @Test("a table has the columns of the kind")
    func tables() {
        var client = TestClient(definitions: true)
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        client.create(TestClient.bindings, TestClient.binding("b", level: "Core"))
        client.merge(
            "\(TestClient.bindings)/b/status", #"{"status": {"resourceStatus": "Applied", "nodeName": "n1"}}"#)
        let table = client.send("GET", TestClient.bindings, accept: accept)
        #expect(table.at("kind") == .string("Table"))
        #expect(
            table.at("columnDefinitions")?.array?.compactMap { $0["name"]?.string }
                == ["Name", "Pod Name", "Node Name", "Exclusiveness Level", "Resource Status"])
        let row = table.at("rows")?.array?.first
        #expect(row?["cells"]?.array == ["b", "web", "n1", "Core", "Applied"].map { .string($0) })
        #expect(row?.at("object", "kind") == .string("PartialObjectMetadata"))
        client.pod("web")
        client.now = client.now.advanced(seconds: 200)
        let podRow = client.send("GET", TestClient.pods, accept: accept).at("rows")?.array?.first
        let pods = podRow?["cells"]?.array.map { Array($0.prefix(5)) }
        #expect(pods == ["web", "0/1", "Pending", "0", "3m20s"].map { .string($0) })
        let metadata = client.send(
            "GET", TestClient.pods, accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        #expect(metadata.at("kind") == .string("PartialObjectMetadataList"))
        #expect(
            metadata.items.first?["spec"] == nil && metadata.items.first?["kind"] == .string("PartialObjectMetadata"))
    }
}
