internal import TOMLKit

/// The settings of `berthd`: a key of the configuration file is the name of the flag too.
package struct DaemonConfiguration: Equatable, Sendable {
    /// The socket to listen on; nil for the path that the environment decides.
    package var socket: String?
    /// The socket of the HTTP API; nil for the path that the environment decides, `off` for none.
    package var httpSocket: String?
    /// The directory of the durable state; nil for the one that the environment decides.
    package var stateDirectory: String?
    /// The permission bits of the socket.
    package var socketMode: UInt32 = 0o660
    /// The user who owns the socket, by name or number; nil for the one berthd runs as.
    package var socketOwner: String?
    /// The group of the socket, by name or number; nil for the access group, else the
    /// admin group, else the one berthd runs as.
    package var socketGroup: String?
    /// The group whose members are administrators, by name or number.
    package var adminGroup: String?
    /// The group whose members may use the socket, by name or number.
    package var accessGroup: String?
    /// The file that takes the audit log; nil for standard error.
    package var auditLog: String?
    /// The least level that is logged.
    package var logLevel = "info"
    /// The choices that differ from the EPA Orchestrator's, by name.
    package var policy: [String] = []
    /// The extensions of the EPA protocol that are turned on, by name.
    package var extensions: [String] = []
    /// The CPUs of the pool `general`, as a list; nil where there is no such pool.
    package var generalPool: String?
    /// The most bytes of a new service's name; 0 for no limit of its own.
    package var nameLimit = 0
    /// The most connections that one user may have open.
    package var connectionsPerUID = 512
    /// The most requests that one user may send to the HTTP API in a second.
    package var httpRequestsPerSecond = 10_000
    /// Seconds until an incomplete request is answered with an error.
    package var readTimeout = 5
    /// Seconds that a client may take to read a reply.
    package var writeTimeout = 5
    /// Where the HTTP API is served over TLS; nil for nowhere.
    package var httpTLSListen: String?
    /// The files of the server's certificate, its key, and the authority of clients' certificates.
    package var httpTLSCertificate: String?
    package var httpTLSKey: String?
    package var httpTLSClientCA: String?
    /// Seconds that a change may wait for the disk before the client is answered that its outcome is unknown.
    package var commitTimeout = 30
    /// Whether the kernel enforces claims that ask for it.
    package var enforces = true
    /// The CPUs that are never claimed unless the kernel isolates them, as a list; nil for the first core.
    package var housekeeping: String?
    /// Whether drift is repaired, not only reported.
    package var repairs = true
    /// Whether the kernel is made to be as it was before when berthd stops.
    package var restoresOnStop = false
    /// Whether other CPUs take the place of those of enforced claims that go offline.
    package var refills = false
    /// How many exclusive CPUs the claims of one user may have together; nil for any number.
    package var cpusPerUID: Int?
    /// A captured machine to serve in place of the real one.
    package var machine: String?
    /// The directory that stands for `/sys`.
    package var sysfsRoot = "/sys"
    /// Whether to serve the built-in simulated machine.
    package var simulate = false
    /// The EPA Orchestrator's `state.json` to import at the first start; nil for the path that the environment decides.
    package var importState: String?

    /// The defaults.
    package init() {}

    /// Every key, in the order of the manual.
    package static let keys = [
        "socket", "http-socket", "state-dir", "socket-mode", "socket-owner", "socket-group", "admin-group",
        "access-group", "audit-log", "log-level", "policy", "extensions", "pools.general", "name-limit",
        "connections-per-uid", "http-requests-per-second", "read-timeout", "write-timeout", "commit-timeout",
        "http-tls-listen", "http-tls-certificate", "http-tls-key", "http-tls-client-ca",
        "enforcement.mode", "enforcement.housekeeping", "enforcement.repair", "enforcement.offline",
        "enforcement.on-stop", "limits.cpus-per-uid", "machine", "sysfs-root", "simulate", "import-state",
    ]

    /// Takes the settings of a TOML text.
    ///
    /// - Throws: ``ConfigurationError``; an unknown key is an error that names the key.
    package mutating func merge(toml: String, file: String) throws(ConfigurationError) {
        try TOMLForm.keys.check(toml, file: file)
        let table: TOMLTable
        do { table = try TOMLTable(string: toml) } catch {
            throw ConfigurationError("\(file): not TOML: \(error)")
        }
        for (key, value) in table.sorted(by: { $0.0 < $1.0 }) {
            do throws(ConfigurationError) {
                // `pools.general` is a key with a dot, which TOML reads as a table.
                if let table = value.table, Self.keys.contains(where: { $0.hasPrefix("\(key).") }) {
                    for (name, value) in table { try set("\(key).\(name)", to: try text(of: value, "\(key).\(name)")) }
                    continue
                }
                try set(key, to: try text(of: value, key))
            } catch {
                throw ConfigurationError("\(file): \(error.message)")
            }
        }
    }

    /// The keys that take a number, and those that take a name or a number.
    private static let numeric: Set = [
        "name-limit", "connections-per-uid", "http-requests-per-second", "read-timeout", "write-timeout",
        "commit-timeout", "socket-owner", "socket-group", "admin-group", "access-group",
        "limits.cpus-per-uid",
    ]

    /// The keys that take true or false.
    private static let flags: Set = ["simulate", "enforcement.repair"]

    /// The keys that take a list of names.
    private static let lists: Set = ["policy", "extensions"]

    /// The value of a key as a flag gives it. Text serves for every key.
    private func text(of value: any TOMLValueConvertible, _ key: String) throws(ConfigurationError) -> String {
        guard Self.keys.contains(key) else { throw ConfigurationError(unknown(key)) }
        if let text = value.string { return text }
        if Self.flags.contains(key), let flag = value.bool { return flag ? "true" : "false" }
        // Not the mode: 0o660 is the number 432, and nobody could tell it from octal digits.
        if Self.numeric.contains(key), let number = value.int { return String(number) }
        if Self.lists.contains(key), let list = value.array {
            let names = list.compactMap(\.string)
            if names.count == list.count { return names.joined(separator: ",") }
        }
        switch key {
        case _ where Self.flags.contains(key): throw ConfigurationError("\(key) takes true or false")
        case _ where Self.lists.contains(key): throw ConfigurationError("\(key) takes a list of texts")
        case _ where Self.numeric.contains(key): throw ConfigurationError("\(key) takes a number or text")
        case "socket-mode": throw ConfigurationError("\(key) takes text, an octal mode such as \"0660\"")
        default: throw ConfigurationError("\(key) takes text in quotes")
        }
    }

    /// Sets one key from its text, as a flag gives it.
    package mutating func set(_ key: String, to text: String) throws(ConfigurationError) {
        switch key {
        case "socket": socket = try path(key, text)
        case "http-socket": httpSocket = text.isEmpty ? "off" : try path(key, text)
        case "state-dir": stateDirectory = try path(key, text)
        case "socket-mode":
            guard let mode = UInt32(text, radix: 8), mode <= 0o777 else {
                throw ConfigurationError("\(key) takes an octal mode such as 0660, not \(String(reflecting: text))")
            }
            socketMode = mode
        case "socket-owner": socketOwner = text
        case "socket-group": socketGroup = text
        case "admin-group": adminGroup = text
        case "access-group": accessGroup = text
        case "audit-log": auditLog = try path(key, text)
        case "log-level":
            logLevel = try choice(key, text, of: ["trace", "debug", "info", "notice", "warning", "error", "critical"])
        case "policy": policy = Self.names(text)
        case "extensions": extensions = Self.names(text)
        case "pools.general": generalPool = text
        case "name-limit": nameLimit = try number(key, text, in: 0...65_536)
        case "connections-per-uid": connectionsPerUID = try number(key, text, in: 1...65_536)
        case "http-requests-per-second": httpRequestsPerSecond = try number(key, text, in: 1...1_000_000)
        case "read-timeout": readTimeout = try number(key, text, in: 1...3_600)
        case "write-timeout": writeTimeout = try number(key, text, in: 1...3_600)
        case "commit-timeout": commitTimeout = try number(key, text, in: 1...3_600)
        case "http-tls-listen": httpTLSListen = text
        case "http-tls-certificate": httpTLSCertificate = try path(key, text)
        case "http-tls-key": httpTLSKey = try path(key, text)
        case "http-tls-client-ca": httpTLSClientCA = try path(key, text)
        case "enforcement.mode": enforces = try choice(key, text, of: ["on", "off"]) == "on"
        case "enforcement.housekeeping": housekeeping = text
        case "enforcement.repair": repairs = try choice(key, text, of: ["true", "false"]) == "true"
        case "enforcement.offline": refills = try choice(key, text, of: ["flag", "refill"]) == "refill"
        case "enforcement.on-stop": restoresOnStop = try choice(key, text, of: ["keep", "restore"]) == "restore"
        case "limits.cpus-per-uid": cpusPerUID = try number(key, text, in: 0...65_536)
        case "machine": machine = try path(key, text)
        case "sysfs-root": sysfsRoot = try path(key, text)
        case "simulate": simulate = try choice(key, text, of: ["true", "false"]) == "true"
        case "import-state": importState = try path(key, text)
        default: throw ConfigurationError(unknown(key))
        }
    }

    private static func names(_ text: String) -> [String] {
        text.split { $0 == "," || $0 == " " }.map(String.init)
    }

    private func unknown(_ key: String) -> String {
        "unknown key \(String(reflecting: key)); the keys are \(Self.keys.joined(separator: ", "))"
    }

    private func path(_ key: String, _ text: String) throws(ConfigurationError) -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else { throw ConfigurationError("\(key) takes a path") }
        return text
    }

    private func number(_ key: String, _ text: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw ConfigurationError(
                "\(key) takes a number from \(range.lowerBound) to \(range.upperBound), not \(String(reflecting: text))"
            )
        }
        return number
    }

    private func choice(_ key: String, _ text: String, of choices: [String]) throws(ConfigurationError) -> String {
        guard choices.contains(text) else {
            throw ConfigurationError("\(key) takes \(choices.joined(separator: ", ")), not \(String(reflecting: text))")
        }
        return text
    }
}

/// A setting that cannot be used: what was wrong and what would be right.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let message: String

    /// An error with this message.
    package init(_ message: String) { self.message = message }

    /// The message.
    package var description: String { message }
}
