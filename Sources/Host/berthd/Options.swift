import ArgumentParser
import Glibc
import Service

/// The settings as flags: each has the name of its key in the configuration file and goes before it.
struct Options: ParsableArguments {
    @Option(help: "The configuration file; /etc/berth/berthd.toml where it exists.")
    var config: String?
    @Option(help: "The socket; $SNAP_DATA/data/epa.sock under snapd, else /run/berth/epa.sock.")
    var socket: String?
    @Option(help: "The folder of the state; $SNAP_DATA/berth under snapd, else /var/lib/berth.")
    var stateDir: String?
    @Option(help: "The socket's mode in octal (0660); 0666 lets every user in, as the reference does.")
    var socketMode: String?
    @Option(help: "The socket's owner, by name or number.")
    var socketOwner: String?
    @Option(help: "The socket's group, by name or number (the access group, else the admin group).")
    var socketGroup: String?
    @Option(
        help: ArgumentHelp(
            "The group whose members are administrators, besides root. With --access-group too, they must be in the "
                + "socket's group as well to connect."))
    var adminGroup: String?
    @Option(help: "The group whose members may use the socket and change what they own.")
    var accessGroup: String?
    @Option(help: "The file of the audit log; standard error unless given.")
    var auditLog: String?
    @Option(help: "The least level that is logged: trace, debug, info, notice, warning, error, critical.")
    var logLevel: String?
    @Option(
        help: ArgumentHelp(
            "Choices that differ from the reference's: keep-pins, prefer-free, whole-cores, online-only. "
                + "Several: once for each, or with commas between."))
    var policy: [String] = []
    @Option(
        help: ArgumentHelp(
            "Extensions of the EPA protocol to turn on: non-preemptive-allocations, cpu-pools. Several: once for each, or "
                + "with commas between."))
    var extensions: [String] = []
    @Option(help: "The CPUs of the pool general, a list of ordinary CPUs such as 2-5.")
    var generalPool: String?
    @Option(help: "The most bytes of a new service's name; 0 for no limit of its own.")
    var nameLimit: String?
    @Option(help: "The most connections that one user may have open (512).")
    var connectionsPerUid: String?
    @Option(help: "Seconds until an incomplete request is answered with an error (5).")
    var readTimeout: String?
    @Option(help: "Seconds that a client may take to read a reply (5).")
    var writeTimeout: String?
    @Option(help: "Seconds until a change that waits for the disk is answered with an error (30).")
    var commitTimeout: String?
    @Option(help: "A captured machine (berth topology capture) to serve in place of the real one.")
    var machine: String?
    @Option(help: "The folder that stands for /sys.")
    var sysfsRoot: String?
    @Flag(help: "Serve the built-in simulated machine: 2 sockets, SMT, 2 NUMA nodes, huge pages.")
    var simulate = false
    @Option(help: "The reference's state.json to import at the first start; $SNAP_DATA/data/state.json under snapd.")
    var importState: String?

    func validate() throws {
        if [sysfsRoot != nil, machine != nil, simulate].filter({ $0 }).count > 1 {
            throw ValidationError("--sysfs-root, --machine and --simulate exclude each other")
        }
    }

    /// The configuration file that is read; nil where there is none.
    var file: String? {
        let standard = "/etc/berth/berthd.toml"
        return config ?? (access(standard, F_OK) == 0 ? standard : nil)
    }

    /// An error about a key: it names the file where the value comes from there.
    func error(_ key: String, _ message: String) -> ConfigurationError {
        guard let file, !flags.contains(where: { $0.key == key && $0.text != nil }) else {
            return ConfigurationError(message)
        }
        return ConfigurationError("\(file): \(message)")
    }

    /// The configuration: defaults, then the file, then the flags.
    func configuration() throws(ConfigurationError) -> DaemonConfiguration {
        var configuration = DaemonConfiguration()
        if let file {
            let text: String
            do { text = try readText(file) } catch { throw ConfigurationError(error.description) }
            try configuration.merge(toml: text, file: file)
        }
        for flag in flags { if let text = flag.text { try configuration.set(flag.key, to: text) } }
        let machines = [
            ("sysfs-root", configuration.sysfsRoot != DaemonConfiguration().sysfsRoot),
            ("machine", configuration.machine != nil), ("simulate", configuration.simulate),
        ].filter(\.1).map(\.0)
        // At most one of them is a flag: the other is in the file.
        if let key = machines.first(where: { key in flags.contains { $0.key == key && $0.text == nil } }),
            machines.count > 1
        {
            throw error(key, "sysfs-root, machine and simulate exclude each other")
        }
        return configuration
    }

    /// Each key with the text of its flag, nil where the flag is not given.
    private var flags: [(key: String, text: String?)] {
        [
            ("socket", socket), ("state-dir", stateDir), ("socket-mode", socketMode), ("socket-owner", socketOwner),
            ("socket-group", socketGroup), ("admin-group", adminGroup), ("access-group", accessGroup),
            ("audit-log", auditLog), ("log-level", logLevel),
            ("policy", policy.isEmpty ? nil : policy.joined(separator: ",")),
            ("extensions", extensions.isEmpty ? nil : extensions.joined(separator: ",")),
            ("pools.general", generalPool), ("name-limit", nameLimit),
            ("connections-per-uid", connectionsPerUid), ("read-timeout", readTimeout), ("write-timeout", writeTimeout),
            ("commit-timeout", commitTimeout),
            ("machine", machine), ("sysfs-root", sysfsRoot), ("simulate", simulate ? "true" : nil),
            ("import-state", importState),
        ]
    }
}

/// Where files are, as the environment and the configuration say (design, "Places").
struct Places {
    let socket: String
    let stateDirectory: String
    let importState: String?

    init(_ configuration: DaemonConfiguration, environment: [String: String]) {
        let snap = environment["SNAP_DATA"].flatMap { $0.isEmpty ? nil : $0 }
        socket = configuration.socket ?? snap.map { "\($0)/data/epa.sock" } ?? "/run/berth/epa.sock"
        stateDirectory = configuration.stateDirectory ?? snap.map { "\($0)/berth" } ?? "/var/lib/berth"
        importState = configuration.importState ?? snap.map { "\($0)/data/state.json" }
    }
}
