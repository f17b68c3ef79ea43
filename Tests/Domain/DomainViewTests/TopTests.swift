import Domain
import DomainView
import Terminal
import TestSupport
import Testing
import WireJSON

/// `proxy top`.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct TopTests {
    private let database: Database

    init() throws { database = try .ofToday() }

    private func cells(_ table: Table) -> [[String]] {
        table.lines().map { line in
            line.rendered(.plain).split(separator: "  ").map { $0.drop { $0 == " " } }.filter { !$0.isEmpty }.map(
                String.init)
        }
    }

    @Test("top nodes shows run-times, load, CPU, memory, GPU and power, and a minus for unknown values")
    func nodes() throws {
        let health = Spec.health.replacing(
            "\"mem_used\":2,\"mem_available\":3", with: "\"mem_used\":2048,\"mem_available\":8192")
        try database.send("ZADD", "node:health:\(Spec.node)", "30", health)
        let (table, json) = try database.read().topNodes(.hostname)
        #expect(cells(table)[1] == ["n3", "RUST_WASM", "7%", "4%", "2/8 MiB", "-", "-"])
        #expect(try JSONValue(json)["nodes"]?.array?.first?["health"]?["mem_used"]?.integer == 2048)
    }

    @Test("[BUG] top nodes accepts nodes without available memory or without health")
    func noHealth() throws {
        try database.send(
            "ZADD", "node:health:\(Spec.node)", "30",
            Spec.health.replacing("\"mem_available\":3", with: "\"mem_available\":0"))
        try database.send("SET", "node:capabilities:\(Spec.otherNode)", Spec.capabilities.replacing("n3", with: "n4"))
        let (table, json) = try database.read().topNodes(.hostname)
        #expect(cells(table)[1][4] == "0/0 MiB")
        #expect(cells(table)[2] == ["n4", "RUST_WASM", "-", "-", "-", "-", "-"])
        #expect(try JSONValue(json)["nodes"]?.array?.last?["health"] == .null)
    }

    @Test("top workflow shows means and ranges of the last minute in milliseconds")
    func workflow() throws {
        let key = "performance:\(Spec.component)"
        for (time, value) in [("30", "9"), ("100", "0.001"), ("110", "0.0025")] {
            try database.send("ZADD", "\(key):function_execution_time", time, "\(time):\(value)")
        }
        try database.send("ZADD", "\(key):function_execution_time", "120", "120:no figure")
        let status = WorkflowStatus(
            id: "w",
            components: [
                .init(name: "log", id: LogicalID(Spec.resource), domain: "d"),
                .init(name: "double", id: LogicalID(Spec.function), domain: "d"),
                .init(name: "odd", id: nil, domain: "e"),
            ])
        var view = try database.read([.instances, .nodes])
        try DomainReader(database.connection).add(
            [.execution, .transfer], of: view.components(of: status), since: 60, to: &view)
        let (table, json) = view.topWorkflow(status, since: 60, .hostname)
        let rows = cells(table)
        #expect(rows[1] == ["double", "d", "n3", "1.750", "1.000", "2.500", "-", "-", "-"])
        #expect(rows[2] == ["log", "d", "n3", "-", "-", "-", "-", "-", "-"])
        #expect(rows[3].prefix(3) == ["odd", "e", "-"])
        let figures = try JSONValue(json)["components"]?.array?.first?["function_execution_time"]
        #expect(figures?["count"]?.integer == 2 && figures?["max"] == .number("0.0025"))
    }
}
