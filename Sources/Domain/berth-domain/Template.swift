import DomainSettings
import Glibc
import Service

/// Writes the configuration template to a new file.
func writeTemplate(_ path: String) throws {
    let bytes = Array(OrchestratorConfiguration.template.utf8)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
        if errno == EEXIST {
            printError("cannot overwrite configuration file: \(path)")
            throw Status.exists
        }
        printError("\(SystemError("write \(path)", errno: errno))")
        throw Status.inputOutput
    }
    defer { close(descriptor) }
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
        printError("\(SystemError("write \(path)", errno: errno))")
        throw Status.inputOutput
    }
}

/// Prints a line to standard error.
func printError(_ text: String) {
    let program = CommandLine.arguments.first?.split(separator: "/").last.map(String.init) ?? "berth-domain"
    let line = Array("\(program): \(text)\n".utf8)
    _ = write(2, line, line.count)
}
