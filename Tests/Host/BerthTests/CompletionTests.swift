import TestSupport
import Testing

/// What the shells' completions ask the program for.
@Suite struct CompletionTests {
    private func offers(_ daemon: SimulatedDaemon, _ words: String...) throws -> [String] {
        let result = try Program.run(
            ["---completion"] + words, environment: daemon.environment.merging(["SAP_SHELL": "fish"]) { own, _ in own })
        #expect(result.status == 0, "\(result)")
        return result.output.split(separator: "\n").map(String.init)
    }

    @Test("Completion knows the names that have something, and offers none that a shell would act on")
    func names() async throws {
        let daemon = try await SimulatedDaemon()
        for name in ["router", "$(reboot)", "`x`", "a b", "--help", "web;x"] {
            try daemon.succeed("allocate", "--", name, "1")
        }
        try daemon.succeed("hugepages", "pages", "1", "--node", "0", "--size", "2M")
        #expect(
            try offers(daemon, "allocate", "--", "positional@0", "2", "0", "berth", "allocate", "") == [
                "pages", "router",
            ])
        #expect(
            try offers(daemon, "show", "--", "positional@0", "2", "0", "berth", "show", "") == [
                "pages", "router", "service:--help", "service:pages", "service:router",
            ])
        // A name that two claims have takes its kind; a service that looks like another kind's does too.
        try daemon.send("PUT", "/v1/claims/run/router", #"{"cpus":{"count":1}}"#)
        try daemon.succeed("allocate", "service:pod:x", "1")
        #expect(
            try offers(daemon, "release", "--", "positional@0", "2", "0", "berth", "release", "") == [
                "pages", "run:router", "service:--help", "service:pages", "service:pod:x", "service:router",
            ])
        try await daemon.stop()
        #expect(try offers(daemon, "show", "--", "positional@0", "2", "0", "berth", "show", "").isEmpty)
    }

    @Test("The completions of each shell ask for names, nodes and page sizes", arguments: ["bash", "zsh", "fish"])
    func scripts(shell: String) throws {
        let script = try Program.run(["--generate-completion-script", shell]).output
        for words in [
            "---completion allocate -- positional@0", "---completion release -- positional@0",
            "---completion hugepages -- --size", "---completion allocate -- --node",
        ] { #expect(script.contains(words), "\(words)") }
    }
}
