import Glibc
import Host
import Ledger
import Machine
import TestSupport
import Testing
import WireJSON

/// Claims as resources: made, replaced, changed, renewed, released, listed, planned.
@Suite struct ClaimTests {
    @Test("PUT makes a claim and says where it is; sent again it moves nothing, also when lower CPUs are free by then")
    func idempotent() async throws {
        try await TestAPI.serving { api in
            try api.put("run/first", #"{"cpus":{"count":2}}"#)
            let body =
                #"{"cpus":{"cores":1},"huge_pages":[{"node":0,"size_kb":2048,"count":3}],"lease":{"forever":true}}"#
            let made = try api.put("run/second%20one", body)
            #expect(made.status == 201 && made.fields["location"] == "/v1/claims/run/second%20one")
            #expect(made.cpus == "3,7" && made["effects"]?["granted"]?.string == "3,7")
            #expect(made.fields["etag"] == made.version.map { "\"\($0)\"" })
            try api.ask("DELETE", "/v1/claims/run/first")
            let again = try api.put("run/second%20one", body)
            #expect(again.status == 200 && again.cpus == "3,7" && again.version == made.version)
            #expect(again["effects"]?["changed"]?.boolean == false)
        }
    }

    @Test("PUT replaces: what the body leaves out is given up")
    func replaces() async throws {
        try await TestAPI.serving { api in
            try api.put(
                "run/a",
                #"{"cpus":{"count":2},"memory_nodes":[1],"huge_pages":[{"node":0,"size_kb":2048,"count":2},{"node":1,"size_kb":2048,"count":2}],"lease":{"seconds":60}}"#
            )
            let pages = try api.put("run/a", #"{"huge_pages":[{"node":1,"size_kb":2048,"count":5}]}"#)
            #expect(pages.cpus == "" && pages["effects"]?["released"]?.string == "1-2")
            #expect(pages["huge_pages"]?.array?.count == 1 && pages["memory_nodes"]?.array == [])
            #expect(pages["lease"]?["forever"]?.boolean == true)
            let cpus = try api.put("run/a", #"{"cpus":{"list":"6-7"}}"#)
            #expect(cpus.cpus == "6-7" && cpus["huge_pages"]?.array == [])
        }
    }

    @Test("PATCH changes what the body names and nothing else; none releases CPUs")
    func patch() async throws {
        try await TestAPI.serving { api in
            try api.put(
                "service/vm",
                #"{"cpus":{"count":1,"nodes":[0],"explicit":true},"huge_pages":[{"node":0,"size_kb":2048,"count":2}]}"#)
            let more = try api.ask(
                "PATCH", "/v1/claims/service/vm",
                #"{"cpus":{"count":1,"nodes":[1],"explicit":true,"replaces":"nodes"}}"#)
            #expect(more.status == 200 && more["huge_pages"]?.array?.count == 1)
            #expect(more.cpus == "1-2")
            let automatic = try api.ask("PATCH", "/v1/claims/service/vm", #"{"cpus":{"count":1}}"#)
            #expect(automatic["effects"]?["no_longer_explicit"]?.string == "1-2")
            let none = try api.ask("PATCH", "/v1/claims/service/vm", #"{"cpus":{"none":true}}"#)
            #expect(none.cpus == "" && none["huge_pages"]?.array?.count == 1)
        }
    }

    @Test("DELETE answers with the claim as it was; without one it is 404 no_claim")
    func delete() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":2},"huge_pages":[{"node":0,"size_kb":2048,"count":2}]}"#)
            let gone = try api.ask("DELETE", "/v1/claims/run/a")
            #expect(gone.status == 200 && gone.cpus == "1-2" && gone["huge_pages"]?.array?.count == 1)
            #expect(gone["effects"]?["released"]?.string == "1-2")
            for method in ["DELETE", "GET"] {
                let reply = try api.ask(method, "/v1/claims/run/a")
                #expect(reply.status == 404 && reply.code == "no_claim")
            }
        }
    }

    @Test(
        "a refusal has its code, the figures and who holds what is missing; a plan gives the same and changes nothing")
    func refusal() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":4}}"#)
            let refused = try api.put("run/b", #"{"cpus":{"count":3}}"#)
            #expect(refused.status == 409 && refused.code == "insufficient_cpus")
            #expect(refused["requested"]?.integer == 3 && refused["available"]?.integer == 2)
            #expect(refused["held_by"]?.array?.first?["holder"]?.string == "run:a")
            #expect(refused["detail"]?.string == "Insufficient CPUs available. Requested: 3, Available: 2")
            let planned = try api.ask("POST", "/v1/plan", #"{"holder":"run:b","cpus":{"count":3}}"#)
            #expect(planned.json == refused.json)
            let possible = try api.ask("POST", "/v1/plan", #"{"holder":"run:b","cpus":{"count":2}}"#)
            #expect(possible.status == 200 && possible.cpus == "6-7")
            #expect(api.host.ledger.count == 1)
        }
    }

    @Test("If-Match and If-None-Match are checked in the step that decides")
    func conditions() async throws {
        try await TestAPI.serving { api in
            let body = #"{"cpus":{"count":1}}"#
            #expect(try api.put("run/a", body, ["If-Match": "*"]).code == "condition_failed")
            let made = try api.put("run/a", body, ["If-None-Match": "*"])
            let version = try #require(made.version)
            #expect(made.status == 201)
            #expect(try api.put("run/a", body, ["If-None-Match": "*"]).status == 412)
            let two = try api.put("run/a", #"{"cpus":{"count":2}}"#, ["If-Match": "\"\(version)\""])
            #expect(two.status == 200 && two.version != version)
            #expect(try api.put("run/a", body, ["If-Match": "\"\(version)\""]).code == "condition_failed")
            #expect(try api.ask("DELETE", "/v1/claims/run/a", nil, ["If-Match": "\"\(version)\""]).status == 412)
            let current = try #require(two.version)
            #expect(try api.ask("GET", "/v1/claims/run/a", nil, ["If-None-Match": "\"\(current)\""]).status == 304)
            // A proxy may weaken a tag: If-None-Match takes it all the same, If-Match does not (RFC 9110, section 13.1).
            #expect(try api.ask("GET", "/v1/claims/run/a", nil, ["If-None-Match": "W/\"\(current)\""]).status == 304)
            #expect(try api.put("run/a", body, ["If-Match": "W/\"\(current)\""]).code == "condition_failed")
            #expect(try api.ask("GET", "/v1/claims/run/a", nil, ["If-None-Match": "\"\(version)\""]).status == 200)
            #expect(try api.ask("DELETE", "/v1/claims/run/a", nil, ["If-Match": "\"\(current)\""]).status == 200)
        }
    }

    @Test("a lease is renewed; one that is over already is refused; a claim ends with its lease")
    func leases() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":1},"lease":{"seconds":3600}}"#)
            let renewed = try api.ask("POST", "/v1/claims/run/a/renew", #"{"lease":{"until":4102444800000}}"#)
            #expect(renewed.status == 200 && renewed["lease"]?["until"]?.integer == 4_102_444_800_000)
            #expect(try api.ask("POST", "/v1/claims/run/a/renew", #"{"lease":{"until":1}}"#).code == "lease_over")
            #expect(try api.ask("POST", "/v1/claims/run/b/renew", #"{"lease":{"forever":true}}"#).code == "no_claim")
            let process = try api.put("run/p", #"{"cpus":{"count":1},"lease":{"process":true}}"#)
            #expect(process["lease"]?["process"]?["pid"]?.integer == Int(getpid()))
            try api.put("run/short", #"{"cpus":{"count":1},"lease":{"seconds":1}}"#)
            #expect(try await eventually { api.host.ledger[Holder(kind: .run, name: "short")] == nil })
        }
    }

    @Test("lists come in pages in the order of the holders, and only of one kind where that is asked")
    func pages() async throws {
        try await TestAPI.serving { api in
            for name in ["run/b", "run/a", "pod/x%2Fy", "service/s"] {
                try api.put(name, #"{"huge_pages":[{"node":0,"size_kb":2048,"count":1}]}"#)
            }
            var names: [String] = []
            var after = ""
            while true {
                let page = try api.ask("GET", "/v1/claims?limit=3\(after)")
                names += (page["claims"]?.array ?? []).compactMap { $0["holder"]?.string }
                guard let next = page["next"]?.string else { break }
                after = "&after=\(next.replacing("/", with: "%2F"))"
            }
            #expect(names == ["pod:x/y", "run:a", "run:b", "service:s"])
            let runs = try api.ask("GET", "/v1/claims?kind=run")
            #expect(runs["claims"]?.array?.count == 2 && runs["next"] == .null)
            #expect(try api.ask("GET", "/v1/claims/pod/x%2Fy").status == 200)
        }
    }

    @Test("a list is what the ledger is after every change, although its text is kept")
    func cache() async throws {
        try await TestAPI.serving { api in
            for count in 1...3 {
                try api.put("run/\(count)", #"{"cpus":{"count":1}}"#)
                for _ in 0..<2 { #expect(try api.ask("GET", "/v1/claims")["claims"]?.array?.count == count) }
            }
        }
    }

    @Test(
        "a refusal says what would fit instead: fewer, elsewhere, or not as whole cores; and all of it would be granted"
    )
    func alternatives() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"list":"1"}}"#)
            func alternatives(_ cpus: String) throws -> [String] {
                let refused = try api.put("run/b", #"{"cpus":\#(cpus)}"#)
                let plan = try api.ask("POST", "/v1/plan", #"{"holder":"run:b","cpus":\#(cpus)}"#)
                #expect(plan["would_fit"] == refused["would_fit"])
                return refused["would_fit"]?.array?.map {
                    "\($0["text"]?.string ?? ""): \($0["cpus"]?.string ?? "")"
                } ?? []
            }
            #expect(try alternatives(#"{"cores":3}"#) == ["2 cores: 2-3,6-7"])
            #expect(try alternatives(#"{"cores":2,"nodes":[0]}"#) == ["the same on node 1: 2-3,6-7"])
            #expect(try alternatives(#"{"count":9}"#) == ["5 CPUs: 2-3,5-7"])
            #expect(try alternatives(#"{"list":"1"}"#) == ["another CPU: 2"])
            #expect(try alternatives(#"{"count":1,"pool":"none"}"#).isEmpty)
            try api.put("run/c", #"{"cpus":{"list":"7"}}"#)
            #expect(
                try alternatives(#"{"cores":2}"#)
                    == ["1 core: 2,6", "4 CPUs that are not whole cores: 2-3,5-6"])
        }
    }

    @Test("a refusal speaks of claims, and names them with their kind, whatever the EPA protocol calls them")
    func wording() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"list":"3,7","explicit":true}}"#)
            try api.put("run/g", #"{"cpus":{"count":1,"pool":"general"}}"#)
            let refusals: [(method: String, holder: String, cpus: String, code: String, detail: String)] = [
                ("PUT", "b", #"{"list":"3"}"#, "held_by_others", "Others have CPUs 3"),
                (
                    "PUT", "b", #"{"count":3,"nodes":[1]}"#, "node_held",
                    "Others have too many of the CPUs of NUMA node 1"
                ),
                (
                    "PUT", "g", #"{"count":1,"pool":"isolated"}"#, "other_pool",
                    #"The claim of "run:g" has CPUs in the pool general; release it before it can have CPUs in another one"#
                ),
                (
                    "PATCH", "a", #"{"count":1,"replaces":"all_but_explicit"}"#, "explicit_exceeds",
                    "The claim has 2 explicit CPUs, which the request keeps; it asks for 1"
                ),
            ]
            for (method, holder, cpus, code, detail) in refusals {
                let reply = try api.ask(method, "/v1/claims/run/\(holder)", #"{"cpus":\#(cpus)}"#)
                #expect(reply.code == code && reply["detail"]?.string == detail, "\(reply.text)")
            }
            try api.put("service/s", #"{"cpus":{"count":1}}"#)
            #expect(try api.ask("GET", "/v1/claims/service/t")["detail"]?.string == #""service:t" has no claim"#)
        }
    }

    @Test("a PATCH moves no CPU that is what it asks for, and makes no claim that would have nothing")
    func patchKeeps() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":1}}"#)
            try api.put("run/b", #"{"cpus":{"count":2}}"#)
            try api.ask("DELETE", "/v1/claims/run/a")
            #expect(try api.ask("PATCH", "/v1/claims/run/b", #"{"cpus":{"count":2}}"#).cpus == "2-3")
            for body in [#"{"lease":{"seconds":10}}"#, "{}", #"{"cpus":{"none":true}}"#, #"{"memory_nodes":[]}"#] {
                let reply = try api.ask("PATCH", "/v1/claims/run/n", body)
                #expect(reply.status == 422 && reply["member"]?.string == "cpus", "\(body): \(reply.text)")
            }
            #expect(api.host.ledger.count == 1)
        }
    }

    @Test("only administrators take the CPUs of others over the API", .needsRoot)
    func preemption() async throws {
        try await TestAPI.serving(mode: 0o666) { api in
            let body = #"{"cpus":{"count":2,"preemption":"allowed"}}"#
            let stranger = try api.put("run/a", body, uid: 1_000)
            let root = try api.put("run/a", body)
            #expect(stranger.code == "forbidden" && root.status == 201)
        }
    }

    @Test("a claim may have several grants, of own and of shared CPUs, and a contradiction between them is named")
    func grants() async throws {
        try await TestAPI.serving { api in
            let body = #"{"grants":[{"cores":1,"spread":"nodes"},{"count":2,"shared":true,"label":"rest"}]}"#
            let claim = try api.put("run/g", body)
            #expect(claim["exclusive"]?.string == "1,5" && claim.cpus == "1-3,5")
            #expect(claim["grants"]?.array?.compactMap { $0["label"]?.string } == ["", "rest"])
            #expect(try api.put("run/g", body)["effects"]?["changed"]?.boolean == false)
            for (body, member) in [
                (#"{"grants":[{"count":1}],"cpus":{"count":1}}"#, "grants"),
                (#"{"grants":[{"count":1},{"count":1}]}"#, "grants[1].label"),
                (#"{"grants":[{"count":1,"pool":"a"},{"count":1,"label":"b","pool":"b"}]}"#, "grants[1].pool"),
                (#"{"grants":[{"count":1,"preemption":"allowed"}]}"#, "grants[0].preemption"),
                (#"{"grants":[{"count":1,"protected":true},{"count":1,"label":"b"}]}"#, "grants[1].protected"),
                (#"{"grants":[]}"#, "cpus"),
            ] {
                let answer = try api.put("run/h", body)
                #expect(answer.status == 422 && answer["member"]?.string == member, "\(body)")
            }
            #expect(try api.ask("PATCH", "/v1/claims/run/g", #"{"grants":[{"count":1}]}"#).code == "unknown_member")
        }
    }

    @Test("shared CPUs, whole cores, one CPU of each core, nodes and pools are what was asked for")
    func demands() async throws {
        try await TestAPI.serving { api in
            let shared = try api.put("run/s", #"{"cpus":{"count":2,"shared":true}}"#)
            #expect(shared.cpus == "1-2" && shared["exclusive"]?.string == "")
            #expect(try api.put("run/t", #"{"cpus":{"count":2,"shared":true}}"#).cpus == "1-2")
            let one = try api.put("run/o", #"{"cpus":{"count":1,"smt":"one","nodes":[1]}}"#)
            #expect(one.cpus == "3" && one["exclusive"]?.string == "3,7")
            #expect(try api.put("run/g", #"{"cpus":{"percent":100,"pool":"general"}}"#).cpus == "0,4")
            #expect(try api.put("run/x", #"{"cpus":{"count":1,"pool":"other"}}"#).code == "no_pool")
            #expect(try api.put("run/x", #"{"cpus":{"count":1,"nodes":[7]}}"#).code == "no_node")
            #expect(try api.put("run/x", #"{"cpus":{"list":"3"}}"#).code == "held_by_others")
            #expect(
                try api.put("run/x", #"{"huge_pages":[{"node":0,"size_kb":2048,"count":13}]}"#).code
                    == "insufficient_pages")
        }
    }
}
