import Glibc
import TestSupport
import Testing
import WireJSON

/// The configuration files of the package, and the log as the service manager takes it.
@Suite struct PackagingTests {
    /// A file of `packaging`.
    private static func file(_ name: String) -> String {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        return "\(root)/packaging/\(name)"
    }

    @Test("a new installation starts with prefer-free and whole-cores; the built-in default is the EPA Orchestrator's")
    func packagedPolicies() async throws {
        let site = try Site()
        // The group of the package need not be on this machine.
        let options = ["--config", Self.file("berthd.toml"), "--access-group", "\(getegid())"]
        var daemon = try await site.serve(options + Array(site.paths.dropFirst(2)) + ["--simulate"])
        #expect(try await daemon.program.prints("policy=prefer-free,whole-cores"), "\(daemon.program.text)")
        // A whole core, not two threads of two cores; then free CPUs, not those of another service.
        #expect(try daemon.cores("a", 2)["allocated_cores"]?.string == "2,18")
        #expect(try daemon.numa("b", 0, 2)["cores_allocated"]?.string == "3,19")
        #expect(try await daemon.stop() == 0)
        let other = try Site()
        daemon = try await other.serve()
        #expect(try await daemon.program.prints("policy=none"))
        #expect(try daemon.cores("a", 2)["allocated_cores"]?.string == "2-3")
        #expect(try await daemon.stop() == 0)
    }

    @Test("openstack.toml explains the policies, recommends some, and is accepted with and without each of them")
    func openstack() async throws {
        let text = String(
            decoding: try #require(TemporaryDirectory.read(Self.file("examples/openstack.toml"))), as: UTF8.self)
        for policy in ["keep-pins", "prefer-free", "online-only", "whole-cores"] { #expect(text.contains(policy)) }
        let lines = text.split(separator: "\n").map(String.init)
        let recommended = lines.filter { $0.hasPrefix("#policy = ") }.map { String($0.dropFirst()) }
        #expect(!recommended.isEmpty && !lines.contains { $0.hasPrefix("policy") })
        let site = try Site()
        let file = "\(site.path)/openstack.toml"
        for extra in [""] + recommended {
            try TemporaryDirectory.write(Array("\(text)\(extra)\n".utf8), to: file)
            let daemon = try await site.serve([
                "--config", file, "--access-group", "\(getegid())", "--socket", site.socket, "--state-dir", site.state,
                "--simulate",
            ])
            let policies = extra.split(separator: "\"").filter { $0.contains("-") }.joined(separator: ",")
            #expect(
                try await daemon.program.prints("policy=\(policies.isEmpty ? "none" : policies) "),
                "\(daemon.program.text)")
            #expect(try await daemon.stop() == 0)
        }
    }

    @Test("every key of berthd.toml is one of berthd, also where it is commented out")
    func keys() async throws {
        let text = String(decoding: try #require(TemporaryDirectory.read(Self.file("berthd.toml"))), as: UTF8.self)
        let site = try Site()
        let file = "\(site.path)/berthd.toml"
        let keys = text.split(separator: "\n").map(String.init).filter { $0.wholeMatch(of: #/#[a-z.-]+ = .*/#) != nil }
        #expect(keys.count > 15)
        for line in keys {
            // A wrong flag, so that it ends after it has read the file.
            try TemporaryDirectory.write(Array("\(line.dropFirst())\n".utf8), to: file)
            let result = try await Program.run([site.binary, "--config", file, "--read-timeout", "x"])
            #expect(result.status == 78 && result.text.hasPrefix("berthd: read-timeout"), "\(line): \(result)")
        }
    }

    @Test("logs have times where standard error is no journal, and none where it is")
    func times() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        #expect(try await daemon.stop() == 0)
        for line in daemon.program.lines where !line.hasPrefix("{") {
            #expect(line.prefixMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+: /#) != nil, "\(line)")
        }
        let output = "\(site.path)/journal"
        try TemporaryDirectory.write([], to: output)
        var status = stat()
        #expect(stat(output, &status) == 0)
        let program = try Program(
            [site.binary] + site.paths + ["--simulate"],
            environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"], output: output)
        #expect(try await (try await Daemon.answering(program, socket: site.socket)).stop() == 0)
        #expect(program.lines.first?.hasPrefix("NOTICE: serving ") == true, "\(program.text)")
    }
}
