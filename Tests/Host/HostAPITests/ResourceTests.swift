import Host
import HostAPI
import Machine
import TestSupport
import Testing
import WireJSON

/// What is not a claim: the machine, pools, metrics, readiness, the document.
@Suite struct ResourceTests {
    @Test("the figures of pools and huge pages add up, here and in the metrics")
    func figures() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":2},"huge_pages":[{"node":0,"size_kb":2048,"count":6}]}"#)
            try api.put("run/b", #"{"cpus":{"count":3,"shared":true}}"#)
            let pools = try #require(try api.ask("GET", "/v1/pools")["pools"]?.array)
            #expect(pools.map { $0["name"]?.string } == ["isolated", "ordinary", "general"])
            for pool in pools {
                let parts = ["exclusive", "shared", "free"].compactMap { pool[$0]?.integer }
                #expect(parts.count == 3 && parts.reduce(0, +) == pool["total"]?.integer)
            }
            #expect(pools[0]["exclusive"]?.integer == 2 && pools[0]["shared"]?.integer == 3)
            let machine = try api.ask("GET", "/v1/machine")
            #expect(machine["online"]?.string == "0-7" && machine["isolated"]?.string == "1-3,5-7")
            #expect(machine["housekeeping"]?.string == "0,4" && machine["cores"]?.integer == 4)
            #expect(machine["core_cpus"]?.array == ["0,4", "1,5", "2,6", "3,7"].map { .string($0) })
            let pages = try #require(machine["nodes"]?.array?.first?["huge_pages"]?.array?.first)
            #expect(pages["total"]?.integer == 16 && pages["in_use"]?.integer == 4 && pages["claimed"]?.integer == 6)
            let parts = ["in_use", "reserved", "free"].compactMap { pages[$0]?.integer }
            #expect(parts.count == 3 && parts.reduce(0, +) == 16)
            let metrics = try api.ask("GET", "/metrics").body
            for line in [
                #"berth_claims{kind="run"} 2"#, #"berth_pool_cpus{pool="isolated",state="exclusive"} 2"#,
                #"berth_pool_cpus{pool="isolated",state="shared"} 3"#,
                #"berth_huge_pages{node="0",size_kb="2048",state="in_use"} 4"#,
                #"berth_changes_total{outcome="granted"} 2"#, "berth_state_writable 1",
            ] { #expect(metrics.contains("\(line)\n"), "\(line)\n\(metrics)") }
        }
    }

    @Test("pages that the kernel has promised to mappings are not free; each claim beyond what it can still give warns")
    func promisedPages() async throws {
        var machine = CapturedFiles(
            CapturedFiles.Shape(
                packages: 1, coresPerNode: 2, hugePages: [HugePagePool(sizeKB: 2048, total: 1000, free: 1000)]))
        machine["kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"] = "900\n"
        try await TestAPI.serving(machine: machine) { api in
            func figures() throws -> [Int] {
                let nodes = try api.ask("GET", "/v1/machine")["nodes"]?.array
                let pages = try #require(nodes?.first?["huge_pages"]?.array?.first)
                return ["total", "in_use", "kernel_reserved", "reserved", "free"].compactMap { pages[$0]?.integer }
            }
            #expect(try figures() == [1000, 0, 900, 0, 100])
            #expect(
                try api.ask("GET", "/metrics").body.contains(
                    #"berth_huge_pages{node="0",size_kb="2048",state="kernel_reserved"} 900\#n"#))
            for (name, count, warnings) in [("a", 100, 0), ("b", 1, 1), ("c", 50, 1)] {
                let body = #"{"huge_pages":[{"node":0,"size_kb":2048,"count":\#(count)}]}"#
                let plan = try api.ask("POST", "/v1/plan", #"{"holder":"run:\#(name)",\#(body.dropFirst())"#)
                #expect(plan["effects"]?["warnings"]?.array?.count == warnings, "\(name): \(plan.text)")
                let reply = try api.put("run/\(name)", body)
                #expect(reply["effects"]?["warnings"]?.array?.count == warnings, "\(name): \(reply.text)")
            }
            #expect(try figures().dropFirst().reduce(0, +) == 1000)
        }
    }

    @Test("refusals and the time of the writer are counted")
    func counters() async throws {
        try await TestAPI.serving { api in
            try api.put("run/a", #"{"cpus":{"count":99}}"#)
            #expect(
                try await eventually { try api.ask("GET", "/metrics").body.contains("berth_refusals_total 1\n") })
        }
    }

    @Test("what serves says its version and who asks")
    func root() async throws {
        try await TestAPI.serving { api in
            let reply = try api.ask("GET", "/v1")
            #expect(reply["version"]?.string == "1.2.3" && reply["accepts_changes"]?.boolean == true)
            for link in reply["links"]?.members ?? [] where link.name != "events" && link.name != "verification" {
                let target = try #require(link.value.string)
                #expect(try api.ask("GET", target).status == 200, "\(target)")
            }
        }
    }

    private struct Verified: VerificationProvider {
        func verification() async -> JSONValue {
            (try? JSONValue(Array(#"{"drift":[{"holder":"run:a"}]}"#.utf8))) ?? .null
        }

        func drift() async -> Int { 1 }
    }

    @Test("a verification and the configuration are shown where there are any")
    func provided() async throws {
        try await TestAPI.serving(providers: {
            $0.verification = Verified()
            $0.configuration = { [("log-level", "info")] }
        }) { api in
            let verification = try api.ask("GET", "/v1/verification")
            #expect(verification["drift"]?.array?.count == 1)
            #expect(try api.ask("GET", "/metrics").body.contains("berth_drift 1\n"))
            #expect(try api.ask("GET", "/v1/configuration").body == #"{"log-level":"info"}"#)
        }
    }

    @Test("every documented path and method is routed, and every route is documented, with all its references")
    func document() async throws {
        try await TestAPI.serving { api in
            let reply = try api.ask("GET", "/v1/openapi.json")
            let document = try #require(reply.json)
            #expect(document["openapi"]?.string == "3.1.0")
            var count = 0
            for path in document["paths"]?.members ?? [] {
                for operation in path.value.members ?? [] {
                    count += 1
                    let target = path.name.replacing("{kind}", with: "run").replacing("{name}", with: "a")
                    let suffix = target.hasSuffix("/events") ? "?follow=false" : ""
                    let answer = try api.ask(operation.name.uppercased(), target + suffix)
                    #expect(answer.status != 405 && answer.code != "not_found", "\(operation.name) \(path.name)")
                    let responses = operation.value["responses"]?.members?.map(\.name) ?? []
                    #expect(responses.contains("\(answer.status)"), "\(operation.name) \(path.name): \(answer.status)")
                    // A method that is not documented is refused, and the refusal names those that are.
                    let others = (path.value.members ?? []).map { $0.name.uppercased() }
                    let unknown = try api.ask("OPTIONS", target)
                    let allowed = Set((unknown.fields["allow"] ?? "").split(separator: ", ").map(String.init))
                    #expect(unknown.status == 405 && allowed.subtracting(["HEAD"]) == Set(others))
                }
            }
            #expect(count == 17)
            let schemas = Set(document["components"]?["schemas"]?.members?.map(\.name) ?? [])
            for schema in document["components"]?["schemas"]?.members ?? [] { #expect(schema.value.members != nil) }
            for part in reply.body.split(separator: "#/components/schemas/").dropFirst() {
                let name = String(part.prefix { $0 != "\"" })
                #expect(schemas.contains(name), "\(name)")
            }
        }
    }
}
