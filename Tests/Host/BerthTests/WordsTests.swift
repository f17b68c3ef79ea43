import TestSupport
import Testing

/// What people write that an argument parser alone does not understand.
@Suite struct WordsTests {
    @Test(
        "Global options may stand in front of the command, with their values",
        arguments: [
            ["--json", "topology", "--simulate"], ["--color", "never", "--json", "topology", "--simulate"],
            ["--color=never", "topology", "show", "--simulate", "--json"],
        ])
    func front(arguments: [String]) throws {
        let expected = try Program.run(["topology", "--simulate", "--json"])
        let result = try Program.run(arguments)
        #expect(result.status == 0 && result.output == expected.output, "\(result)")
    }

    @Test("In front of a command within a command they are its own")
    func nested() throws {
        let result = try Program.run(["--json", "topology", "labels", "--simulate"])
        #expect(result.status == 0 && result.output.hasPrefix("{\"labels\":["), "\(result)")
    }

    @Test("The socket in front is the one that is asked, and a program after -- keeps its own options")
    func socket() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/epa.sock"
        let list = try Program.run(["--socket", path, "list"])
        #expect(list.status == 69 && list.errors.contains("no socket at \(path)"), "\(list)")
        let run = try Program.run(["--socket", path, "run", "--cpus", "1", "--", "/bin/echo", "--json"])
        #expect(run.status == 69 && run.errors.contains("\(directory.path)/berth.sock"), "\(run)")
    }

    @Test(
        "A command that is not there is named, with the nearest one that is",
        arguments: [
            ("lsit", "did you mean 'list'?"), ("alocate", "did you mean 'allocate'?"), ("relase", "'release'?"),
            ("verfiy", "'verify'?"), ("nonsense", "there is no command 'nonsense'\n"), ("q", "command 'q'\n"),
        ])
    func suggestions(word: String, text: String) throws {
        let result = try Program.run([word])
        #expect(result.status == 64 && result.output.isEmpty, "\(result)")
        #expect(
            result.errors.hasPrefix("berth: there is no command '\(word)'") && result.errors.contains(text), "\(result)"
        )
    }

    @Test("A word from outside cannot act on the terminal")
    func escapes() throws {
        let result = try Program.run(["li\u{1B}[2Jst"])
        #expect(result.status == 64 && !result.errors.contains("\u{1B}"), "\(result)")
    }
}
