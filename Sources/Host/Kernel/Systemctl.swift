import Glibc
import Machine

/// systemd's command, as a child process with a deadline.
package struct Systemctl: Sendable {
    /// The program.
    package let program: String
    /// How long it may take, in milliseconds.
    package let deadline: Int

    /// The command.
    package init(program: String = "/usr/bin/systemctl", deadline: Int = 5_000) {
        self.program = program
        self.deadline = deadline
    }

    /// Sets AllowedCPUs of a unit, at once and until the next boot (`set-property --runtime`).
    ///
    /// - Throws: ``EnforcementError`` where the command cannot be run, fails, or takes too long; it is killed then.
    package func setAllowedCPUs(of unit: String, _ cpus: CPUSet) throws(EnforcementError) {
        try run(["set-property", "--runtime", unit, "AllowedCPUs=\(cpus.list)"])
    }

    private func run(_ arguments: [String]) throws(EnforcementError) {
        let command = ([program] + arguments).joined(separator: " ")
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for fd in Int32(0)...2 { posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0) }
        // Signals that this program blocks are no business of the child.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words: [String] = [program] + arguments
        let argv: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        let variables: [String] = ["LC_ALL=C", "PATH=/usr/bin:/bin"]
        let environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { for text in argv + environment { free(text) } }
        var child: pid_t = 0
        let error = posix_spawn(&child, program, &actions, &attributes, argv, environment)
        guard error == 0 else { throw EnforcementError("cannot run \(command): \(String(cString: strerror(error)))") }
        var status: Int32 = 0
        let start = ContinuousClock.now
        while true {
            let ended = waitpid(child, &status, WNOHANG)
            if ended == child { break }
            if ended < 0 && errno != EINTR { throw EnforcementError("cannot wait for \(command)") }
            if ContinuousClock.now - start > .milliseconds(deadline) {
                kill(child, SIGKILL)
                waitpid(child, &status, 0)
                throw EnforcementError("\(command) took longer than \(deadline) ms")
            }
            usleep(2_000)
        }
        guard status == 0 else {
            let how = status & 0x7F == 0 ? "exit status \((status >> 8) & 0xFF)" : "signal \(status & 0x7F)"
            throw EnforcementError("\(command): \(how)")
        }
    }
}
