import ClusterStandIn
import TestSupport
import Testing
import WireJSON

/// What goes wrong on purpose, over the network.
@Suite struct FaultTests {
    private let maps = TestClient.configMaps

    @Test("requests are refused with the status, the words and the Retry-After of a real server")
    func refusals() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            client.server.faults = Faults([.init(.refuse(429, retryAfter: 7), verbs: ["get"], times: 1)])
            let busy = try await client.send("GET", "\(maps)/a")
            #expect(busy.status == 429 && busy.text.lowercased().contains("retry-after: 7"))
            #expect(busy.text.contains(#""reason":"TooManyRequests""#) && busy.text.contains(#""retryAfterSeconds":7"#))
            #expect(try await client.send("GET", "\(maps)/a").status == 200)
            client.server.faults = Faults([.init(.refuse(503, retryAfter: 1))])
            #expect(try await client.send("GET", "/api").status == 503)
            client.server.faults = Faults([.init(.refuse(409), verbs: Faults.Rule.writes, resources: ["configmaps"])])
            let conflict = try await client.send("PUT", "\(maps)/a", "{}")
            #expect(conflict.status == 409 && conflict.text.contains("the object has been modified"))
            #expect(try await client.send("GET", "\(maps)/a").status == 200)
            client.server.faults = Faults([.init(.refuse(403), users: ["kubernetes-admin"], resources: ["configmaps"])])
            let forbidden = try await client.send("GET", maps)
            #expect(
                forbidden.text.contains(
                    #"configmaps is forbidden: User \"kubernetes-admin\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\""#
                ))
        }
    }

    @Test("a partition never answers, a disconnect closes, a lost answer was carried out")
    func partitions() async throws {
        try await ServerTestClient.serving { client in
            client.server.faults = Faults([.init(.hang, verbs: ["list"]), .init(.disconnect, verbs: ["get"])])
            let silent = try client.begin("GET", maps)
            let closed = try client.begin("GET", "\(maps)/a")
            #expect(try await closed.closes() && closed.text.isEmpty)
            client.server.faults = Faults([.init(.loseAnswer, verbs: ["create"])])
            let lost = try client.begin("POST", maps, #"{"metadata": {"name": "made"}}"#)
            #expect(try await lost.closes() && lost.text.isEmpty)
            client.server.faults = Faults()
            #expect(try await client.send("GET", "\(maps)/made").status == 200)
            silent.poll()
            #expect(silent.text.isEmpty && !silent.isClosed)
            #expect(client.server.served.count { $0.status == 0 } == 3)
        }
    }

    @Test("a partition of a user holds back its open watches until it heals; others see nothing of it")
    func partitionedWatches() async throws {
        let users = ["agent": StandInUser("agent", groups: ["system:masters"])]
        try await ServerTestClient.serving(tokens: users) { client in
            var agent = client
            agent.token = "agent"
            let other = try client.begin("GET", "\(maps)?watch=true")
            let watch = try agent.begin("GET", "\(maps)?watch=true")
            client.configMap("a")
            #expect(try await watch.has(#""name":"a""#))
            client.server.faults = Faults([.init(.hang, users: ["agent"])])
            client.configMap("b")
            #expect(try await other.has(#""name":"b""#))
            watch.poll()
            #expect(watch.events == ["ADDED a"])
            client.server.faults = Faults()
            #expect(try await watch.has(#""name":"b""#))
            client.server.faults = Faults([.init(.disconnect, users: ["agent"])])
            #expect(try await watch.closes())
        }
    }

    @Test("a watch ends after so many events, falls silent, is slow, or is gone")
    func watches() async throws {
        try await ServerTestClient.serving { client in
            for name in ["a", "b", "c"] { client.configMap(name) }
            func watch(_ fault: Faults.WatchFault) throws -> ServerTestClient.Exchange {
                client.server.faults = Faults([.init(.watch(fault))])
                return try client.begin("GET", "\(maps)?watch=true", fields: "Connection: close\r\n")
            }
            let ended = try watch(.ends(after: 2))
            #expect(try await ended.closes())
            #expect(ended.events == ["ADDED a", "ADDED b"] && ended.text.hasSuffix("0\r\n\r\n"))
            let reset = try watch(.ends(after: 1, resets: true))
            #expect(try await reset.closes())
            #expect(reset.events == ["ADDED a"] && !reset.text.hasSuffix("0\r\n\r\n"))
            let gone = try watch(.gone)
            #expect(try await gone.closes())
            #expect(gone.events == ["ERROR 410"])
            let slow = try watch(.slow(0.05))
            #expect(try await slow.has(#""name":"c""#))
            let silent = try watch(.silent(after: 1))
            #expect(try await silent.has(#""name":"a""#))
            client.configMap("d")
            #expect(try await slow.has(#""name":"d""#))
            silent.poll()
            #expect(silent.events == ["ADDED a"] && !silent.isClosed)
        }
    }

    @Test("a list of any version may be stale, one of the latest is not; lines may come in pieces")
    func staleness() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            client.configMap("b")
            var pieces = Faults.WatchFault()
            pieces.pieces = 7
            client.server.faults = Faults([.init(.stale(1), verbs: ["list"]), .init(.watch(pieces))])
            let stale = try await client.send("GET", "\(maps)?resourceVersion=0")
            #expect(stale.text.contains(#""name":"a""#) && !stale.text.contains(#""name":"b""#))
            #expect(try await client.send("GET", maps).text.contains(#""name":"b""#))
            let watch = try client.begin("GET", "\(maps)?watch=true")
            #expect(try await watch.has("}}\n") || watch.text.contains("7\r\n"))
        }
    }

    @Test("after a restart watches go on where the history is kept, and are gone where it is not")
    func restarts() async throws {
        try await ServerTestClient.serving { client in
            client.configMap("a")
            let version = client.server.withCluster { $0.version }
            let watch = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(try await watch.has("200 OK"))
            let port = client.server.port
            try await client.server.restart()
            #expect(try await watch.closes() && client.server.port == port)
            client.configMap("b")
            let again = try client.begin("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(try await again.has(#""name":"b""#))
            await client.server.stop()
            // Whoever asks meanwhile is refused, and nobody else gets the port.
            #expect(WebClient(port: UInt16(port)).connect() == nil)
            try await client.server.start()
            #expect(client.server.port == port)
            try await client.server.restart(keepsHistory: false)
            let gone = try await client.send("GET", "\(maps)?watch=true&resourceVersion=\(version)")
            #expect(gone.events == ["ERROR 410"])
        }
    }

    @Test("the same seed gives the same faults")
    func seeds() async throws {
        func run(_ seed: UInt64) async throws -> [Int] {
            var statuses: [Int] = []
            try await ServerTestClient.serving { client in
                client.server.faults = Faults([.init(.refuse(500), probability: 0.5)], seed: seed)
                for _ in 0..<16 { statuses.append(try await client.send("GET", "/version").status) }
            }
            return statuses
        }
        let first = try await run(3)
        #expect(Set(first) == [200, 500])
        #expect(try await run(3) == first)
    }

    @Test("an administrator sets faults over the network; what makes no sense is named")
    func adminPath() async throws {
        try await ServerTestClient.serving(tokens: ["bob": StandInUser("bob")]) { client in
            let set = try await client.send(
                "PUT", "/standin/faults", #"{"rules": [{"effect": "refuse", "code": 503, "resources": ["pods"]}]}"#)
            #expect(set.status == 200)
            #expect(try await client.send("GET", TestClient.pods).status == 503)
            let wrong = try await client.send("PUT", "/standin/faults", #"{"rules": [{"efect": "hang"}]}"#)
            #expect(wrong.status == 400 && wrong.text.contains("there is no member efect"))
            #expect(try await client.send("DELETE", "/standin/faults").status == 200)
            #expect(try await client.send("GET", TestClient.pods).status == 200)
            let requests = try await client.send("GET", "/standin/requests")
            #expect(requests.text.contains(#""status":503"#))
            var bob = client
            bob.token = "bob"
            #expect(try await bob.send("PUT", "/standin/faults", "{}").status == 403)
        }
    }
}

/// Who connects.
@Suite struct AuthenticationTests {
    @Test("without a known token there is only health; impersonation needs the right to it")
    func tokens() async throws {
        try await ServerTestClient.serving(tokens: ["bob": StandInUser("bob")]) { client in
            var other = client
            other.token = "nobody"
            let refused = try await other.send("GET", "/api")
            #expect(refused.status == 401 && refused.text.contains(#""reason":"Unauthorized""#))
            #expect(try await other.send("GET", "/healthz").status == 200)
            other.token = "bob"
            #expect(try await other.send("GET", TestClient.pods).status == 403)
            let asBob = try await client.send("GET", TestClient.pods, fields: "Impersonate-User: bob\r\n")
            #expect(asBob.status == 403 && asBob.text.contains(#"User \"bob\" cannot list"#))
            let asAdmin = try await other.send("GET", TestClient.pods, fields: "Impersonate-User: kubernetes-admin\r\n")
            #expect(asAdmin.status == 403 && asAdmin.text.contains("cannot impersonate"))
        }
    }

    @Test("a body that is too large, and what is no HTTP, end the connection and not the server")
    func hostile() async throws {
        try await ServerTestClient.serving { client in
            let large = try client.begin("POST", TestClient.configMaps, String(repeating: " ", count: 3_200_000))
            #expect(try await large.has("413") || large.isClosed)
            for text in ["\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"] {
                let descriptor = try #require(WebClient(port: UInt16(client.server.port)).connect())
                WebClient.send(text, descriptor)
                #expect(try await ServerTestClient.Exchange(descriptor).closes())
            }
            #expect(try await client.send("GET", "/version").status == 200)
        }
    }
}
