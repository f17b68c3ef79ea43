import Glibc
import Service

/// Where files are, as the configuration and the environment say (docs/operations.md, "Paths").
struct Paths {
    let socket: String
    /// The socket of the HTTP API; nil where it is turned off.
    let httpSocket: String?
    let stateDirectory: String
    let importState: String?
    /// The directory made for this run, removed at its end; nil where nothing is temporary.
    let temporary: TemporaryPaths?

    /// The paths of a command on a stored state.
    ///
    /// - Throws: ``ConfigurationError`` where the state is temporary, so that there is none to work on.
    init(stored configuration: DaemonConfiguration, environment: [String: String]) throws(ConfigurationError) {
        guard !configuration.simulate || configuration.stateDirectory != nil else {
            throw ConfigurationError(
                "the state of the simulated machine is temporary; name the state directory with --state-dir")
        }
        self.init(configuration, environment, temporary: nil)
    }

    /// The paths of `berthd serve`. A simulated machine gets a temporary state directory and socket where they are not
    /// configured, so that trying Berth out touches no real state.
    ///
    /// - Throws: `SystemError` where the temporary directory cannot be made.
    init(serving configuration: DaemonConfiguration, environment: [String: String]) throws(SystemError) {
        let isTemporary =
            configuration.simulate && (configuration.stateDirectory == nil || configuration.socket == nil)
        self.init(
            configuration, environment,
            temporary: isTemporary ? try TemporaryPaths(environment: environment) : nil)
    }

    /// The paths of `berthd serve`, to be checked. Those that would be temporary are fine, and nothing is made.
    init(checking configuration: DaemonConfiguration, environment: [String: String]) {
        self.init(configuration, environment, temporary: nil)
    }

    private init(
        _ configuration: DaemonConfiguration, _ environment: [String: String], temporary: TemporaryPaths?
    ) {
        // What snapd says is about the real machine.
        let snap = configuration.simulate ? nil : environment["SNAP_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        let socket =
            configuration.socket ?? temporary?.socket ?? snap.map { "\($0)/data/epa.sock" } ?? "/run/berth/epa.sock"
        self.socket = socket
        // Beside the other one, so that who can reach one can reach both.
        httpSocket =
            switch configuration.httpSocket {
            case "off": nil
            case let path?: path
            case nil: "\(socket.lastIndex(of: "/").map { socket[...$0] } ?? "")berth.sock"
            }
        stateDirectory =
            configuration.stateDirectory ?? temporary?.stateDirectory ?? snap.map { "\($0)/berth" }
            ?? "/var/lib/berth"
        importState = configuration.importState ?? snap.map { "\($0)/data/state.json" }
        self.temporary = temporary
    }

    /// The configuration with these paths, which are in force, in place of those that it leaves to the environment.
    func inForce(_ configuration: DaemonConfiguration) -> DaemonConfiguration {
        var configuration = configuration
        configuration.socket = socket
        configuration.httpSocket = httpSocket ?? "off"
        configuration.stateDirectory = stateDirectory
        configuration.importState = importState
        return configuration
    }
}

/// A private temporary directory, such as the one for the socket and the state of a simulated machine.
struct TemporaryPaths {
    let directory: String
    var socket: String { "\(directory)/epa.sock" }
    var stateDirectory: String { "\(directory)/state" }

    /// Makes the directory, with a new name, below `$TMPDIR` or `/tmp`.
    init(environment: [String: String], name: String = "berth-simulated") throws(SystemError) {
        let parent = environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var template = Array("\(parent)/\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError("make a directory in \(parent)", errno: errno) }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes the directory and what berthd wrote into it.
    func remove() {
        for path in [stateDirectory, directory] {
            for name in Self.names(in: path) { unlink("\(path)/\(name)") }
            rmdir(path)
        }
    }

    private static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
