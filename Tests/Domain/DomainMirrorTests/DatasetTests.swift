import Domain
import DomainMirror
import Glibc
import TestSupport
import Testing

/// Section 5.7 of the domain specification.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct DatasetTests {
    private let node = NodeID.test(1)
    private let instance = LogicalID.test(1)

    private func read(_ folder: TemporaryDirectory, _ name: String) -> String {
        String(decoding: TemporaryDirectory.read("\(folder.path)/data/run-\(name).csv") ?? [], as: UTF8.self)
    }

    private func site(_ folder: TemporaryDirectory, appends: Bool = true) throws -> ProxySite {
        try ProxySite {
            var settings = Dataset.Settings()
            settings.path = "\(folder.path)/data/run-"
            settings.appends = appends
            settings.additionalHeader = "run,seed"
            settings.additionalFields = "1,42"
            $0.dataset = settings
        }
    }

    private func liveALittle(_ site: ProxySite) {
        let component = ComponentID(high: 5, low: 5)
        site.proxy.observe([.node(.test(node))])
        site.proxy.observe([.node(.test(node))])
        let resource = ResourceSpecification(classType: "c", workflowID: "wf, \"one\"")
        let physical = PhysicalID(node: node, component: component)
        site.proxy.observe([
            .instance(InstanceRecord(id: instance, specification: .resource(resource), created: 1, physical: nil)),
            .placed(instance, physical),
        ])
        site.proxy.observe([.placed(instance, physical)])
        site.proxy.observe([.placed(instance, nil)])
        var update = NodeUpdate.test(
            node, memoryFree: 5, samples: [component: [Sample(seconds: 10, nanoseconds: 5_000_000, value: 0.5)]])
        update.health.gpuTemperature = 41_500
        update.samples.logEntries[component] = [
            FunctionLogEntry(seconds: 11, nanoseconds: 0, target: "std,out", message: "two\nlines, \"quoted\"")
        ]
        site.proxy.observe(update)
        update.samples = PerformanceSamples()
        site.proxy.observe(update)
        site.proxy.stop()
    }

    @Test("W24: five files with a row for each change, quoted according to RFC 4180")
    func files() async throws {
        let folder = try TemporaryDirectory()
        liveALittle(try site(folder))
        let component = ComponentID(high: 5, low: 5)
        #expect(
            read(folder, "performance_samples") == """
                run,seed,identifier,metric,timestamp,value
                1,42,\(component),function_execution_time,10.005,0.5

                """)
        #expect(
            read(folder, "application_logs") == """
                run,seed,identifier,target,timestamp,value
                1,42,\(component),"std,out",11,"two
                lines, ""quoted""\"

                """)
        let mapping = read(folder, "mapping_to_instance_id").split(separator: "\n")
        #expect(mapping.first == "run,seed,timestamp,logical_id,workflow_id,node_id,physical_id")
        let places = mapping.dropFirst().map { $0.split(separator: ",", maxSplits: 3)[3] }
        let workflow = "\(instance),\"wf, \"\"one\"\"\""
        #expect(places == ["\(workflow),\(node),\(component)", "\(workflow),,"])
        #expect(read(folder, "capabilities").split(separator: "\n").count == 2)
        let health = read(folder, "health_status").split(separator: "\n")
        #expect(health.count == 2 && health[1].hasSuffix(",41.5,0"))
    }

    @Test("A3: headers and rows have the same number of columns")
    func columns() async throws {
        let folder = try TemporaryDirectory()
        liveALittle(try site(folder))
        for (name, count) in [("capabilities", 13), ("health_status", 21)] {
            let widths = read(folder, name).split(separator: "\n").map {
                $0.split(separator: ",", omittingEmptySubsequences: false).count
            }
            #expect(widths == [count + 4, count + 4], "\(name)")
        }
    }

    @Test("files are appended without a second header, or truncated if configured")
    func appending() async throws {
        let folder = try TemporaryDirectory()
        for _ in 0..<2 { liveALittle(try site(folder)) }
        #expect(read(folder, "capabilities").split(separator: "\n").count == 3)
        liveALittle(try site(folder, appends: false))
        #expect(read(folder, "capabilities").split(separator: "\n").count == 2)
    }

    @Test("a file that was moved away starts again with its header")
    func rotated() async throws {
        let folder = try TemporaryDirectory()
        let site = try site(folder)
        defer { site.proxy.stop() }
        let path = "\(folder.path)/data/run-performance_samples.csv"
        func report(_ second: Int64) {
            let samples = [ComponentID(high: 5, low: 5): [Sample(seconds: second, nanoseconds: 0, value: 1)]]
            site.proxy.observe(NodeUpdate.test(node, memoryFree: 5, samples: samples))
        }
        report(1)
        #expect(try await eventually { read(folder, "performance_samples").hasSuffix(",1,1\n") })
        #expect(rename(path, "\(path).1") == 0)
        report(2)
        #expect(try await eventually { read(folder, "performance_samples").hasSuffix(",2,1\n") })
        #expect(read(folder, "performance_samples").split(separator: "\n").count == 2)
        #expect(read(folder, "performance_samples").hasPrefix("run,seed,identifier,"))
    }

    @Test("a directory that cannot be created affects nothing else")
    func unwritable() async throws {
        let site = try ProxySite {
            var settings = Dataset.Settings()
            settings.path = "/proc/none/data-"
            $0.dataset = settings
        }
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        #expect(try await eventually { try site.get("node:capabilities:\(node)") != nil })
    }
}
