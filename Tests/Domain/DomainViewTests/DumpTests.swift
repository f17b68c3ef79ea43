import Domain
import DomainView
import TestSupport
import Testing
import WireJSON

/// `proxy dump`.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct DumpTests {
    private let database: Database

    init() throws {
        database = try .ofToday()
        let key = "performance:\(Spec.component)"
        try database.send("ZADD", "\(key):function_execution_time", "1760000001.25", "1760000001.25:0.0125")
        try database.send("ZADD", "\(key):function_execution_time", "1760000002", "1760000002:100")
        try database.send("ZADD", "\(key):app:main", "5", "5:GET http://x:1, \"twice\"")
    }

    private func text(_ file: DumpFile?) -> String? { file.map { String(decoding: $0.bytes, as: UTF8.self) } }

    @Test("dump performance writes a file for each series with UTC times")
    func performance() throws {
        let files = try database.read().performanceFiles
        #expect(
            files.map(\.name)
                == ["app:main-\(Spec.component).dat", "function_execution_time-\(Spec.component).dat"])
        #expect(text(files.last) == "2025-10-09T08:53:21.250Z,0.0125\n2025-10-09T08:53:22Z,100\n")
    }

    @Test("[BUG] lines and log targets with colons are complete")
    func colons() throws {
        let file = try database.read().performanceFiles.first
        #expect(text(file) == "1970-01-01T00:00:05Z,\"GET http://x:1, \"\"twice\"\"\"\n")
    }

    @Test("[BUG] the columns of dump performance-csv match its header")
    func table() throws {
        let lines = try database.read().performanceTable.lines
        #expect(
            lines == [
                "metric,name,lid,timestamp,value",
                "app:main,doubler,\(Spec.function),5,\"GET http://x:1, \"\"twice\"\"\"",
                "function_execution_time,doubler,\(Spec.function),1760000001.25,0.0125",
                "function_execution_time,doubler,\(Spec.function),1760000002,100",
            ])
    }

    @Test("samples of unknown components come last, without a name")
    func orphans() throws {
        let gone = "00000000-0000-4000-8000-000000000001"
        try database.send("ZADD", "performance:\(gone):function_stop_time", "1", "1:2")
        let table = try database.read().performanceTable
        #expect(table.lines.last == "function_stop_time,,,1,2")
        let sample = try JSONValue(table.json)["samples"]?.array?.last
        #expect(sample?["id"] == .null && sample?["physical"]?.string == gone && sample?["value"] == .number("2"))
    }

    @Test("a log target cannot escape the directory or disguise its name")
    func names() throws {
        try database.send("ZADD", "performance:\(Spec.component):../../etc/x y\n", "1", "1:2")
        let names = try database.read().performanceFiles.map(\.name)
        #expect(names.contains("%2E.%2F..%2Fetc%2Fx%20y%0A-\(Spec.component).dat"))
        #expect(names.allSatisfy { !$0.contains("/") })
    }

    @Test("dump instances writes indented JSON")
    func instances() throws {
        let files = try database.read().instanceFiles
        #expect(files.map(\.name) == ["fun-\(Spec.function).json", "res-\(Spec.resource).json"])
        #expect(
            text(files.last) == """
                {
                  "class_type": "file-log",
                  "configuration": {
                    "filename": "a.log"
                  },
                  "workflow_id": "\(Spec.workflow)"
                }

                """)
        let function = try JSONValue(files[0].bytes)
        #expect(function["spec"]?["id"]?.string == "doubler" && function["annotations"]?["init-payload"]?.string == "8")
    }

    @Test("UTC times are correct on leap days, at the turn of the year, before 1970 and for absurd values")
    func calendar() throws {
        for (time, date) in [
            ("951782400", "2000-02-29T00:00:00Z"), ("4107542399", "2100-02-28T23:59:59Z"),
            ("1767225599.999999", "2025-12-31T23:59:59.999999Z"), ("-1", "1969-12-31T23:59:59Z"), ("1e300", "1e+300"),
        ] {
            try database.send("DEL", "performance:\(Spec.component):t")
            try database.send("ZADD", "performance:\(Spec.component):t", "1", "\(time):x")
            let file = try database.read().performanceFiles.first { $0.name.hasPrefix("t-") }
            #expect(text(file) == "\(date),x\n")
        }
    }
}
