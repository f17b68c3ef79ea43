import Glibc
internal import Subprocess

#if canImport(System)
internal import System
#else
internal import SystemPackage
#endif

extension SystemAccess {
    private static let start = ContinuousClock.now

    /// The things themselves.
    public static let real = SystemAccess(
        now: { start.duration(to: .now) },
        wallClock: { .now },
        sleep: { try await Task.sleep(for: $0) },
        random: {
            var generator = SystemRandomNumberGenerator()
            return generator.next()
        },
        readFile: { try readRealFile($0) },
        variable: { name in getenv(name).map { String(cString: $0) } },
        run: { try await runRealProgram($0) })
}

/// The bytes of a file of at most 4 MiB. A pipe or a device is an error: it could stop the program.
private func readRealFile(_ path: String) throws -> [UInt8] {
    func failure(_ code: Int32) -> SystemFailure { SystemFailure(description: String(cString: strerror(code))) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
        throw failure(status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
    }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &piece, piece.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw failure(errno) }
        if count == 0 { return bytes }
        bytes += piece.prefix(count)
        guard bytes.count <= 4 << 20 else { throw failure(EFBIG) }
    }
}

private func runRealProgram(_ call: ProgramCall) async throws -> ProgramResult {
    let executable: Executable =
        call.command.contains("/") ? .path(FilePath(call.command)) : .name(call.command)
    var environment: [Subprocess.Environment.Key: String?] = [:]
    for (name, value) in call.environment { environment[.init(stringLiteral: name)] = value }
    let variables = Subprocess.Environment.inherit.updating(environment)
    return try await withDeadline(call.timeLimit, .real) { () async throws -> ProgramResult in
        let result = try await Subprocess.run(
            executable, arguments: Arguments(call.arguments), environment: variables,
            output: .bytes(limit: call.outputLimit), error: .string(limit: call.outputLimit))
        let status: Int? = if case .exited(let code) = result.terminationStatus { Int(code) } else { nil }
        return ProgramResult(status: status, output: result.standardOutput, errors: result.standardError)
    }
}
