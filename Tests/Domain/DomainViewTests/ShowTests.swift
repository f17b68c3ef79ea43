import Domain
import DomainView
import TestSupport
import Testing
import WireJSON

/// The table of section 5.8 of the domain specification.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct ShowTests {
    private let database: Database

    init() throws { database = try .ofToday() }

    @Test("show functions, resources, logical-to-physical, logical-to-workflow, dependencies")
    func instances() throws {
        let view = try database.read()
        #expect(view.problems.isEmpty && view.domainID == "my-domain")
        #expect(view.functions.lines == ["\(Spec.function) -> \(Spec.node)"])
        #expect(view.resources(.hostname).lines == ["\(Spec.resource) -> n3"])
        #expect(view.resources(.uuid).lines == ["\(Spec.resource) -> \(Spec.node)"])
        #expect(view.resources(.labels).lines == ["\(Spec.resource) -> [hostname=n3,red]"])
        #expect(
            view.logicalToPhysical.lines == [
                "\(Spec.function) -> \(Spec.component)", "\(Spec.resource) -> \(Spec.resourceComponent)",
            ])
        #expect(
            view.logicalToWorkflow.lines == [
                "\(Spec.function) -> \(Spec.workflow)", "\(Spec.resource) -> \(Spec.workflow)",
            ])
        #expect(view.dependencies.lines == ["\(Spec.function) -> out: \(Spec.resource)"])
    }

    @Test("[BUG] an instance that waits for a node is shown with a minus")
    func waiting() throws {
        let (first, last) = ("00000000-0000-4000-8000-000000000001", "ffffffff-0000-4000-8000-000000000001")
        try database.send("SET", "instance:\(first)", Spec.waitingFunction)
        try database.send("SET", "instance:\(last)", Spec.waitingResource)
        let view = try database.read()
        #expect(view.functions.lines == ["\(first) -> -", "\(Spec.function) -> \(Spec.node)"])
        #expect(view.resources(.hostname).lines == ["\(Spec.resource) -> n3", "\(last) -> -"])
        #expect(view.logicalToPhysical.lines.first == "\(first) -> -")
        #expect(
            view.nodeInstances(.hostname).lines == [
                "n3", "[F] \(Spec.function)", "[R] \(Spec.resource)", "-", "[F] \(first)", "[R] \(last)",
            ])
    }

    @Test("show node capabilities, resource-providers, health and instances print the words of proxy_cli")
    func nodes() throws {
        let view = try database.read()
        #expect(
            view.nodeCapabilities(.hostname).lines == [
                "n3 -> 8 X1 CPU(s) at 2400 BogoMIPS, 4 core(s), 15900 MiB memory, labels [hostname=n3,red], runtimes "
                    + "[RUST_WASM], disk space 51200 MiB, 0  GPU(s) 0 MiB"
            ])
        #expect(
            view.resourceProviders(.uuid).lines == [
                "n3-http-ingress-1 -> class_type http-ingress, node_id \(Spec.node), outputs [new_request]"
            ])
        #expect(
            view.nodeHealth(.hostname).lines == [
                "n3 -> memory free 1 kb, used 2 kb, available 3 kb, process cpu usage 4%, memory 5 kb, vmemory 6 kb, "
                    + "load avg 1 minute 7% 5 minutes 8% 15 minutes 9%, network tot rx 10 bytes (11 pkts) 12 errs, tot tx "
                    + "13 bytes (14 pkts) 15 errs, disk available 16 bytes, tot disk reads 17 writes 18, gpu_load_perc "
                    + "-1%, gpu_temp_cels -1.00°, active_power -1 mW"
            ])
        #expect(
            view.nodeInstances(.hostname).lines == ["n3", "[F] \(Spec.function)", "[R] \(Spec.resource)"])
    }

    @Test("TEE and TPM are printed between labels and run-times")
    func trust() throws {
        let text = Spec.capabilities.replacing("\"is_tee_running\":false", with: "\"is_tee_running\":true")
            .replacing("\"has_tpm\":false", with: "\"has_tpm\":true").replacing("2400.0", with: "2400.5")
        try database.send("SET", "node:capabilities:\(Spec.node)", text)
        let line = try database.read().nodeCapabilities(.hostname).lines[0]
        #expect(line.contains("at 2400.5 BogoMIPS") && line.contains("labels [hostname=n3,red], TEE, TPM, runtimes ["))
    }

    @Test("show node status reads Berth's own key")
    func status() throws {
        #expect(try database.read().nodeStatus(.hostname).lines.isEmpty)
        try database.send(
            "SET", "node:status:\(Spec.node)",
            #"{"agent_url":"http://a:1","invocation_url":"http://b:2","cordoned":true,"ready":true}"#)
        #expect(
            try database.read().nodeStatus(.hostname).lines
                == ["n3 -> ready, cordoned, agent http://a:1, invocation http://b:2"])
    }

    @Test("the newest health of a history is shown; the seed's single value and a node without power are accepted")
    func healthForms() throws {
        let old = Spec.health.replacing("\"mem_free\":1,", with: "\"mem_free\":99,")
        try database.send("ZADD", "node:health:\(Spec.node)", "10", old)
        let seed = Spec.health.replacing(",\"active_power\":-1", with: "").replacing(
            "\"mem_free\":1,", with: "\"mem_free\":7,")
        try database.send("SET", "node:health:\(Spec.otherNode)", seed)
        let lines = try database.read().nodeHealth(.hostname).lines
        #expect(lines[0].hasPrefix("n3 -> memory free 1 kb,"))
        #expect(
            lines[1].hasPrefix("\(Spec.otherNode) -> memory free 7 kb,") && lines[1].hasSuffix("active_power -1 mW"))
    }

    @Test("every JSON document contains the same as the lines")
    func documents() throws {
        let view = try database.read()
        func document(_ report: Report) throws -> JSONValue { try JSONValue(report.json) }
        let functions = try document(view.functions)["functions"]?.array?.first
        #expect(functions?["id"]?.string == Spec.function)
        #expect(functions?["nodes"]?.array == [.string(Spec.node)])
        #expect(try document(view.resources(.hostname))["resources"]?.array?.first?["node"]?.string == Spec.node)
        let capabilities = try document(view.nodeCapabilities(.hostname))["nodes"]?.array?.first
        #expect(capabilities?["name"]?.string == "n3")
        #expect(capabilities?["capabilities"] == (try JSONValue(Array(Spec.capabilities.utf8))))
        let instances = try document(view.nodeInstances(.hostname))
        #expect(instances["nodes"]?.array?.first?["functions"]?.array == [.string(Spec.function)])
        #expect(instances["waiting"]?["resources"]?.array == [])
    }

    @Test("control characters in names are escaped")
    func escapes() throws {
        let text = Spec.capabilities.replacing("hostname=n3", with: "hostname=a\\u001b[2Jb\\nc")
        try database.send("SET", "node:capabilities:\(Spec.node)", text)
        #expect(try database.read().resources(.hostname).lines == ["\(Spec.resource) -> a\\u{1B}[2Jb\\nc"])
    }
}
