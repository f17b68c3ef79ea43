import ArgumentParser
import EPASocket
import Glibc
import Host
import HostAPI
import Kernel
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Storage

/// All parts of a serving `berthd`, put together in the one right order: configuration, lock, state, socket.
final class Daemon {
    private let lock: StoreLock
    private let host: Host
    private let server: EPAServer
    private let decisionLog: DecisionLog
    private let machine: HostMachine
    private let socket: SocketFile
    private let hotplug: CPUHotplug?
    private let pods: PodWatcher?
    private let api: APIEndpoint?
    private let paths: Paths
    private var configuration: DaemonConfiguration
    private var auditSink: LineSink
    private var log: Logger
    /// Why the stored state cannot be used, so that every change is refused; nil if it can.
    let refusal: CommitError?
    /// One line for the service manager.
    let statusLine: String

    init(configuration: DaemonConfiguration, settings: Settings, paths: Paths, source: ConfigurationSource) throws {
        self.configuration = configuration
        log = settings.logger
        self.paths = paths
        let files: any MachineFiles
        do { files = try ConfigurationCheck.machineFiles(configuration, source) } catch {
            printError(error.message)
            throw Status.configuration
        }
        lock = try Self.takeLock(paths)
        try Self.checkMachine(configuration, files, paths, log)
        do { auditSink = try Self.openAudit(configuration, log) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        decisionLog = try DecisionLog(audit: AuditLog(sink: auditSink), logger: log)
        let lastGood = try? StoreFiles(directory: paths.stateDirectory, name: LedgerStore.name).readLastGood().seq
        let opened = try Self.openStore(paths, isAsked: configuration.importState != nil, log, decisionLog)
        if case .ready(let store, _) = opened {
            Self.completeAudit(at: configuration.auditLog, from: store, lastGood: lastGood ?? 0, decisionLog, log)
        }
        machine = HostMachine(files: files, pools: settings.pools)
        let (ledger, store) = Self.begin(opened, log)
        refusal = store.corruption
        machine.configure(housekeeping: settings.housekeeping)
        let kernel = try Self.kernel(configuration, settings, paths, log, decisionLog)
        host = try Host(
            ledger: ledger, store: store, machine: machine, enforcer: kernel.enforcer ?? kernel.undoer,
            unenforced: kernel.obstacle?.advice, watcher: kernel.watcher, enforcement: settings.enforcement,
            onDecisions: { [decisionLog] in decisionLog.note($0) })
        hotplug = try kernel.watchHotplug(host, decisionLog)
        pods = try kernel.watchPods(host)
        server = EPAServer(
            frontend: EPAFrontend(
                host: host, decisionLog: decisionLog,
                status: EPAStatus(
                    version: Version.number, machine: configuration.machineKind, enforcement: kernel.strength)),
            decisionLog: decisionLog, settings: settings.server)
        do {
            try Self.makeDirectory(of: paths.socket)
            let socket = try SocketFile(
                listeningAt: paths.socket, mode: configuration.socketMode, owner: settings.socketOwner,
                group: settings.socketGroup)
            self.socket = socket
            do {
                var api: APIEndpoint?
                if let path = paths.httpSocket {
                    api = try APIEndpoint(
                        path, host, paths.inForce(configuration), settings, decisionLog,
                        verifier: kernel.verifier)
                }
                self.api = api
                // Two at least, so that one waits for connections while another works.
                try server.start(
                    descriptor: socket.descriptor, threads: min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 2), 4))
            } catch {
                socket.remove()
                throw error
            }
        } catch {
            host.stop()
            printError("\(error)")
            if case SocketFileError.inUse = error { throw Status.running }
            throw Status.noSocket
        }
        var isolated = CPUSet()
        do { isolated = try machine.isolated() } catch {
            log.error("the list of isolated CPUs cannot be understood", metadata: ["reason": "\(error)"])
        }
        statusLine =
            switch refusal {
            case nil: "Serving \(paths.socket)"
            case .newer: "Refusing changes: state of a newer version"
            default: "Refusing changes: corrupt state"
            }
        var fields: Logger.Metadata = [
            "version": "\(Version.number)", "config": "\(source.file ?? "none")", "socket": "\(paths.socket)",
            "http-socket": "\(paths.httpSocket ?? "off")", "state": "\(paths.stateDirectory)",
            "machine": "\(configuration.machineKind)",
            "claims": "\(host.ledger.count)", "isolated": "\(isolated)",
        ]
        for key in ["policy", "access-group", "admin-group"] { fields[key] = "\(configuration.shown(key))" }
        log.notice("serving", metadata: fields)
        if let temporary = paths.temporary {
            log.notice(
                "the simulated machine has a temporary directory, which is removed at the end",
                metadata: ["directory": "\(temporary.directory)"])
        }
        Self.warnOfGroups(configuration, settings, log)
        Self.warnOfPools(host.ledger, isolated: isolated, settings.pools, log)
        if isolated.isEmpty {
            log.notice("no isolated CPUs: EPA clients are refused cores; berth run takes ordinary CPUs")
        }
    }

    // MARK: - Life

    /// Takes the settings that may change while it serves; leaves all as they are where the new ones are wrong.
    func reload(_ source: ConfigurationSource) {
        do {
            var fresh = try source.configuration()
            _ = try Settings(fresh, source)
            func postpone<Value: Equatable>(_ key: String, _ setting: WritableKeyPath<DaemonConfiguration, Value>) {
                guard fresh[keyPath: setting] != configuration[keyPath: setting] else { return }
                log.warning("a changed setting takes effect at the next start only", metadata: ["key": "\(key)"])
                fresh[keyPath: setting] = configuration[keyPath: setting]
            }
            postpone("socket", \.socket)
            postpone("http-socket", \.httpSocket)
            postpone("http-tls-listen", \.httpTLSListen)
            postpone("http-tls-certificate", \.httpTLSCertificate)
            postpone("http-tls-key", \.httpTLSKey)
            postpone("http-tls-client-ca", \.httpTLSClientCA)
            postpone("state-dir", \.stateDirectory)
            postpone("socket-mode", \.socketMode)
            postpone("socket-owner", \.socketOwner)
            postpone("socket-group", \.socketGroup)
            postpone("machine", \.machine)
            postpone("sysfs-root", \.sysfsRoot)
            postpone("simulate", \.simulate)
            postpone("import-state", \.importState)
            postpone("enforcement.mode", \.enforces)
            postpone("enforcement.housekeeping", \.housekeeping)
            let settings = try Settings(fresh, source)
            if fresh.auditLog == configuration.auditLog {
                try auditSink.reopen()
            } else {
                auditSink = try Self.openAudit(fresh, log)
            }
            log = settings.logger
            server.settings = settings.server
            api?.reload(paths.inForce(fresh), settings)
            machine.configure(pools: settings.pools)
            host.configure(settings.enforcement)
            Self.warnOfPools(
                host.ledger, isolated: (try? machine.isolated()) ?? CPUSet(), settings.pools, settings.logger)
            decisionLog.replace(audit: AuditLog(sink: auditSink), logger: log)
            let changes = fresh.changes(from: configuration)
            configuration = fresh
            var fields: Logger.Metadata = changes.isEmpty ? ["changed": "nothing"] : [:]
            for key in changes { fields[key] = "\(fresh.shown(key))" }
            log.notice("configuration reloaded", metadata: fields)
        } catch {
            log.error("the configuration was not reloaded, the old one stays", metadata: ["reason": "\(error)"])
        }
    }

    /// Takes no more connections, finishes what is in flight, removes the sockets, closes the store.
    func stop() async {
        socket.remove()
        await api?.stop(within: .seconds(5))
        server.stop(within: 5)
        close(socket.descriptor)
        host.stop(within: 60)
        decisionLog.stop(within: 5)
    }
}
