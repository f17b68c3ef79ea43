import ArgumentParser

/// Where the configuration and the state are: the options of every subcommand.
struct StateOptions: ParsableArguments {
    @Option(help: "The configuration file; /etc/berth/berthd.toml if it exists.")
    var config: String?
    @Option(help: "The state directory; $SNAP_DATA/berth under snapd, else /var/lib/berth.")
    var stateDir: String?

    var flags: [ConfigurationSource.Flag] { [("state-dir", stateDir)] }
}

/// Which machine is served.
struct MachineOptions: ParsableArguments {
    @Option(help: "A captured machine (berth topology capture), in place of the real one.")
    var machine: String?
    @Option(help: "The directory to read in place of /sys.")
    var sysfsRoot: String?
    @Flag(
        help: ArgumentHelp(
            "The built-in simulated machine: 2 sockets, SMT, 2 NUMA nodes, huge pages. berthd serve then uses a temporary "
                + "state directory and socket, unless they are configured, and the user who starts it is an administrator."
        ))
    var simulate = false

    func validate() throws {
        if [sysfsRoot != nil, machine != nil, simulate].filter({ $0 }).count > 1 {
            throw ValidationError("--sysfs-root, --machine and --simulate exclude each other")
        }
    }

    var flags: [ConfigurationSource.Flag] {
        [("machine", machine), ("sysfs-root", sysfsRoot), ("simulate", simulate ? "true" : nil)]
    }
}

/// The settings of a serving berthd: each has the name of its key in the configuration file.
struct ServeOptions: ParsableArguments {
    @Option(help: "The socket; $SNAP_DATA/data/epa.sock under snapd, else /run/berth/epa.sock.")
    var socket: String?
    @Option(help: "The socket of the HTTP API, off for none; berth.sock beside the other socket unless given.")
    var httpSocket: String?
    @Option(help: "The socket's mode in octal (0660); 0666 lets every user in, as the EPA Orchestrator does.")
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
    @Option(help: "The minimum log level: trace, debug, info, notice, warning, error, critical.")
    var logLevel: String?
    @Option(
        help: ArgumentHelp(
            "Choices that differ from the EPA Orchestrator's: keep-pins, prefer-free, whole-cores, online-only. "
                + "Several: once for each, or with commas between."))
    var policy: [String] = []
    @Option(
        help: ArgumentHelp(
            "Extensions of the EPA protocol to turn on: non-preemptive-allocations, cpu-pools. Several: once for each, or "
                + "with commas between."))
    var extensions: [String] = []
    @Option(help: "The CPUs of the pool general, a list such as 0-1, disjoint from the isolated CPUs.")
    var generalPool: String?
    @Option(help: "The maximum length of a new service's name in bytes; 0 = unlimited.")
    var nameLimit: String?
    @Option(help: "The maximum number of open connections of one user (512).")
    var connectionsPerUid: String?
    @Option(help: "The most requests that one user may send to the HTTP API in a second (10000); root has no limit.")
    var httpRequestsPerSecond: String?
    @Option(
        help: ArgumentHelp(
            "Serve the HTTP API over TLS at this numeric address too; with the three options that follow.",
            valueName: "address:port"))
    var httpTlsListen: String?
    @Option(help: ArgumentHelp("The PEM file of the server's certificate, with its intermediates.", valueName: "file"))
    var httpTlsCertificate: String?
    @Option(help: ArgumentHelp("The PEM file of its key.", valueName: "file"))
    var httpTlsKey: String?
    @Option(
        help: ArgumentHelp(
            "The PEM file of the authority that clients' certificates must come from. Every such client is an administrator.",
            valueName: "file"))
    var httpTlsClientCa: String?
    @Option(help: "Seconds until an incomplete request is answered with an error (5).")
    var readTimeout: String?
    @Option(help: "Seconds that a client may take to read a reply (5).")
    var writeTimeout: String?
    @Option(help: "Seconds until a change that waits for the disk is answered with an error (30).")
    var commitTimeout: String?

    @OptionGroup(title: "Enforcement") var enforcement: EnforcementOptions

    var flags: [ConfigurationSource.Flag] {
        [
            ("socket", socket), ("http-socket", httpSocket), ("socket-mode", socketMode), ("socket-owner", socketOwner),
            ("socket-group", socketGroup), ("admin-group", adminGroup), ("access-group", accessGroup),
            ("audit-log", auditLog), ("log-level", logLevel),
            ("policy", policy.isEmpty ? nil : policy.joined(separator: ",")),
            ("extensions", extensions.isEmpty ? nil : extensions.joined(separator: ",")),
            ("pools.general", generalPool), ("name-limit", nameLimit),
            ("connections-per-uid", connectionsPerUid), ("http-requests-per-second", httpRequestsPerSecond),
            ("http-tls-listen", httpTlsListen), ("http-tls-certificate", httpTlsCertificate),
            ("http-tls-key", httpTlsKey), ("http-tls-client-ca", httpTlsClientCa),
            ("read-timeout", readTimeout), ("write-timeout", writeTimeout),
            ("commit-timeout", commitTimeout),
        ] + enforcement.flags
    }
}

/// How the kernel is made to follow claims, and within which limits.
struct EnforcementOptions: ParsableArguments {
    @Option(help: "on: the kernel enforces claims that ask for it; off: claims are recorded only (on).")
    var enforcementMode: String?
    @Option(help: "The CPUs that stay with the rest of the machine, a list such as 0-1 (the first core).")
    var enforcementHousekeeping: String?
    @Option(help: "Whether what differs from a claim is repaired: true; or only reported: false (true).")
    var enforcementRepair: String?
    @Option(
        help: "When CPUs of an enforced claim go offline: flag reports it; refill gives the claim others (flag).")
    var enforcementOffline: String?
    @Option(help: "When berthd stops, keep what the kernel does, or restore what it did before (keep).")
    var enforcementOnStop: String?
    @Option(
        help: "How many exclusive CPUs the claims of one user may have together; root and administrators have no limit."
    )
    var limitsCpusPerUid: String?

    var flags: [ConfigurationSource.Flag] {
        [
            ("enforcement.mode", enforcementMode), ("enforcement.housekeeping", enforcementHousekeeping),
            ("enforcement.repair", enforcementRepair), ("enforcement.offline", enforcementOffline),
            ("enforcement.on-stop", enforcementOnStop),
            ("limits.cpus-per-uid", limitsCpusPerUid),
        ]
    }
}

/// Which state of the EPA Orchestrator is imported.
struct ImportOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The EPA Orchestrator's state.json to import at the first start; $SNAP_DATA/data/state.json under snapd."))
    var importState: String?

    var flags: [ConfigurationSource.Flag] { [("import-state", importState)] }
}

/// The settings that only `berthd serve` uses. Up to version 0.1.0 every subcommand took them, and scripts may still give
/// them: they are accepted, checked and otherwise unused.
struct UnusedOptions: ParsableArguments {
    @OptionGroup(visibility: .hidden) var serve: ServeOptions
    @OptionGroup(visibility: .hidden) var machine: MachineOptions
    @OptionGroup(visibility: .hidden) var imported: ImportOptions

    var flags: [ConfigurationSource.Flag] { serve.flags + machine.flags + imported.flags }
}
