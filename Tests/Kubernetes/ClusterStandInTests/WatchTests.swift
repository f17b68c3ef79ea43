import ClusterStandIn
import Synchronization
import TestSupport
import Testing
import WireJSON

/// Watches over the network.
@Suite struct WatchTests {
    private let maps = TestClient.configMaps

    @Test("a watch says what happens after its version, in order")
    func order() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("before")
            let version = client.server.withCluster { $0.version }
            client.configMap("a")
            let watch = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(try await watch.has(#""name":"a""#))
            client.merge("\(maps)/a", #"{"data": {"k": "v"}}"#)
            client.delete("\(maps)/a")
            #expect(try await watch.has("DELETED"))
            #expect(watch.events == ["ADDED a", "MODIFIED a", "DELETED a"])
            #expect(watch.text.contains(#""kind":"ConfigMap","apiVersion":"v1""#))
            #expect(!watch.text.contains("before"))
        }
    }

    @Test("without a version it begins with what is there; asked for, a bookmark marks the end of that")
    func initialEvents() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            client.configMap("b")
            let plain = try client.begin("GET", "\(maps)?watch=true&resourceVersion=0")
            #expect(try await plain.has(#""name":"b""#))
            let watch = try client.begin(
                "GET",
                "\(maps)?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
            #expect(try await watch.has("k8s.io/initial-events-end"))
            #expect(watch.events == ["ADDED a", "ADDED b", "BOOKMARK -"])
            let wrong = try await client.send("GET", "\(maps)?watch=1&sendInitialEvents=true")
            #expect(
                wrong.status == 422 && wrong.text.contains("sendInitialEvents requires setting resourceVersionMatch"))
        }
    }

    @Test("an object that leaves the selection is deleted for the watch, one that enters is added")
    func selection() async throws {
        try await ServerTestClient.serving { client in
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin(
                "GET", "\(maps)?watch=true&labelSelector=on&resourceVersion=\(version)")
            client.configMap("a")
            client.merge("\(maps)/a", #"{"metadata": {"labels": {"on": "1"}}}"#)
            client.merge("\(maps)/a", #"{"data": {"k": "v"}}"#)
            client.merge("\(maps)/a", #"{"metadata": {"labels": null}}"#)
            client.delete("\(maps)/a")
            client.configMap("last", labels: #"{"on": "1"}"#)
            #expect(try await watch.has(#""name":"last""#))
            #expect(watch.events == ["ADDED a", "MODIFIED a", "DELETED a", "ADDED last"])
        }
    }

    @Test("bookmarks come where they are allowed, and the watch ends when its time is over")
    func bookmarks() async throws {
        var settings = StandInCluster.Settings()
        settings.bookmarkInterval = 0.05
        // The time of the server passes where the test says so: a slow machine would see the end of the watch first.
        let time = Mutex(StandInTime.now())
        try await ServerTestClient.serving(settings: settings, clock: { time.withLock { $0 } }) { client in
            client.configMap("a")
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin(
                "GET",
                "\(maps)?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion=\(version)",
                fields: "Connection: close\r\n")
            #expect(try await watch.has("200 OK"))
            // A bookmark tells of versions of other kinds too.
            _ = client.server.send(
                StandInRequest(
                    "POST", TestClient.pods.replacing("pods", with: "serviceaccounts"),
                    body: Array(#"{"metadata": {"name": "x"}}"#.utf8)))
            time.withLock { $0 = $0.advanced(seconds: 0.1) }
            #expect(try await watch.has(#""resourceVersion":"\#(version + 1)""#))
            time.withLock { $0 = $0.advanced(seconds: 1) }
            #expect(try await watch.closes())
            #expect(Set(watch.events) == ["BOOKMARK -"])
            #expect(watch.text.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test("an object whose last finalizer is taken off goes as it was before, without a further change")
    func lastFinalizer() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            client.merge("\(maps)/a", #"{"metadata": {"finalizers": ["example.org/hold"]}}"#)
            client.delete("\(maps)/a")
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            client.merge("\(maps)/a", #"{"metadata": {"finalizers": null}}"#)
            #expect(try await watch.has("DELETED"))
            #expect(watch.events == ["DELETED a"] && watch.text.contains("example.org/hold"))
        }
    }

    @Test("a version from the future is waited for")
    func future() async throws {
        try await ServerTestClient.serving { client in
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version + 1)")
            client.configMap("a")
            client.configMap("b")
            #expect(try await watch.has(#""name":"b""#))
            #expect(watch.events == ["ADDED b"])
        }
    }

    @Test("times and limits that make no sense are no reason to fail", arguments: ["nan", "inf", "-1", "1e300", "x"])
    func oddParameters(_ number: String) async throws {
        try await ServerTestClient.serving { client in
            let watch = try client.begin(
                "GET", "\(maps)?watch=true&timeoutSeconds=\(number)&limit=\(number)&allowWatchBookmarks=\(number)")
            #expect(try await watch.has("200 OK"))
            #expect(try await client.send("GET", "\(maps)?limit=\(number)").status == 200)
        }
    }

    @Test("a version that is forgotten is 410 within the watch")
    func gone() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            let version = client.server.withCluster { $0.version }
            client.configMap("b")
            client.server.withCluster { $0.compact() }
            let watch = try await client.send("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(watch.status == 200 && watch.events == ["ERROR 410"])
            #expect(watch.text.contains("too old resource version: \(version) (\(version + 1))"))
            #expect(watch.text.contains(#""reason":"Expired""#))
        }
    }

    @Test("a bounded history forgets the oldest changes first")
    func history() async throws {
        var settings = StandInCluster.Settings()
        settings.historyLimit = 5
        try await ServerTestClient.serving(settings: settings) { client in
            let version = client.server.withCluster { $0.version }
            for index in 0..<10 { client.configMap("c\(index)") }
            let old = try await client.send("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(old.events == ["ERROR 410"])
            let recent = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version + 5)")
            #expect(try await recent.has("c9"))
            #expect(recent.events == (5..<10).map { "ADDED c\($0)" })
        }
    }

    @Test("a watch of a table has rows, and names the columns once")
    func tables() async throws {
        try await ServerTestClient.serving { client in
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin(
                "GET", "\(maps)?watch=true&resourceVersion=\(version)",
                fields: "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\r\n")
            client.configMap("a")
            client.configMap("b")
            #expect(try await watch.has(#""name":"b""#))
            #expect(watch.text.split(separator: #""columnDefinitions":["#).count == 2)
        }
    }

    @Test("a hundred watches each see every change")
    func many() async throws {
        try await ServerTestClient.serving { client in
            let version = client.server.withCluster { $0.version }
            var watches: [ServerTestClient.Exchange] = []
            for _ in 0..<100 {
                watches.append(try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version)"))
            }
            for index in 0..<50 { client.configMap("c\(index)") }
            for watch in watches {
                #expect(try await watch.has(#""name":"c49""#))
                #expect(watch.events.count == 50)
            }
            #expect(client.server.watchCount == 100)
            watches = []
            #expect(try await eventually { client.server.watchCount == 0 })
        }
    }
}
