import ArgumentParser
import EPASocket
import Glibc
import Host
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
    private let journalist: Journalist
    private let socket: SocketFile
    private var configuration: DaemonConfiguration
    private var auditSink: LineSink
    private var log: Logger
    /// Whether the stored state cannot be trusted, so that every change is refused.
    let isUntrusted: Bool
    /// One line for the service manager.
    let statusLine: String

    init(configuration: DaemonConfiguration, settings: Settings, places: Places, options: Options) throws {
        self.configuration = configuration
        log = settings.logger
        let files = try Self.machineFiles(configuration, options)
        lock = try Self.takeLock(places)
        let opened = try Self.openStore(places, isAsked: configuration.importState != nil, log)
        let machine = HostMachine(files: files)
        do { auditSink = try Self.openAudit(configuration, log) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        journalist = Journalist(audit: AuditLog(sink: auditSink), logger: log, machine: machine)
        switch opened {
        case .ready(let store, let ledger):
            isUntrusted = false
            if let reason = store.failure {
                log.error(
                    "the state cannot be written: allocations are refused until it can",
                    metadata: ["reason": "\(reason)"])
            }
            host = try Host(ledger: ledger, keeper: store)
        case .untrusted(let reason, let lastGood):
            isUntrusted = true
            host = try Host(ledger: lastGood ?? Ledger(), keeper: UntrustedStore(reason: reason))
            log.critical(
                "the stored state cannot be trusted: allocations are refused until an operator restores it",
                metadata: [
                    "reason": "\(reason)", "shown": "\(lastGood == nil ? "nothing" : "the last good state")",
                    "restore": "berthd restore",
                ])
        case .untrustedImport(let reason):
            isUntrusted = true
            host = try Host(ledger: Ledger(), keeper: UntrustedStore(refusedImport: reason))
            log.critical(
                "the state to import cannot be trusted: allocations are refused until an operator decides",
                metadata: ["reason": "\(reason)", "remedy": "\(StateImport.remedy)"])
        }
        server = EPAServer(
            face: EPAFace(host: host, machine: machine, journalist: journalist), journalist: journalist,
            settings: settings.server)
        do {
            try Self.makeFolder(of: places.socket)
            socket = try SocketFile(
                listeningAt: places.socket, mode: configuration.socketMode, owner: settings.socketOwner,
                group: settings.socketGroup)
            // Two at least, so that one waits for connections while another works.
            try server.start(
                descriptor: socket.descriptor, threads: min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 2), 4))
        } catch {
            host.stop()
            printError("\(error)")
            if case SocketFileError.inUse = error { throw Status.running }
            throw Status.noSocket
        }
        var isolated = CPUSet()
        do { isolated = try machine.isolated(onlineOnly: false) } catch {
            log.error("the list of isolated CPUs cannot be understood", metadata: ["reason": "\(error)"])
        }
        statusLine = isUntrusted ? "Refusing allocations: corrupt state" : "Serving \(places.socket)"
        var fields: Logger.Metadata = [
            "version": "\(Version.number)", "config": "\(options.file ?? "none")", "socket": "\(places.socket)",
            "state": "\(places.stateDirectory)", "claims": "\(host.ledger.count)", "isolated": "\(isolated)",
        ]
        for key in ["policy", "access-group", "admin-group"] { fields[key] = "\(configuration.shown(key))" }
        log.notice("serving", metadata: fields)
        Self.warnOfGroups(configuration, settings, log)
        if isolated.isEmpty {
            log.notice("no isolated CPUs: core allocations are refused, lists and huge pages work (no-op mode)")
        }
    }

    // MARK: - Life

    /// Takes the settings that may change while it serves; keeps all as they are where the new ones are wrong.
    func reload(_ options: Options) {
        do {
            var fresh = try options.configuration()
            _ = try Settings(fresh, options)
            func keep<Value: Equatable>(_ key: String, _ setting: WritableKeyPath<DaemonConfiguration, Value>) {
                guard fresh[keyPath: setting] != configuration[keyPath: setting] else { return }
                log.warning("a changed setting takes effect at the next start only", metadata: ["key": "\(key)"])
                fresh[keyPath: setting] = configuration[keyPath: setting]
            }
            keep("socket", \.socket)
            keep("state-dir", \.stateDirectory)
            keep("socket-mode", \.socketMode)
            keep("socket-owner", \.socketOwner)
            keep("socket-group", \.socketGroup)
            keep("machine", \.machine)
            keep("sysfs-root", \.sysfsRoot)
            keep("simulate", \.simulate)
            let settings = try Settings(fresh, options)
            if fresh.auditLog == configuration.auditLog {
                try auditSink.reopen()
            } else {
                auditSink = try Self.openAudit(fresh, log)
            }
            log = settings.logger
            server.settings = settings.server
            journalist.replace(audit: AuditLog(sink: auditSink), logger: log)
            let changes = fresh.changes(from: configuration)
            configuration = fresh
            var fields: Logger.Metadata = changes.isEmpty ? ["changed": "nothing"] : [:]
            for key in changes { fields[key] = "\(fresh.shown(key))" }
            log.notice("configuration reloaded", metadata: fields)
        } catch {
            log.error("the configuration was not reloaded, the old one stays", metadata: ["reason": "\(error)"])
        }
    }

    /// Takes no more connections, finishes what is in flight, removes the socket, closes the store.
    func stop() {
        socket.remove()
        server.stop(within: 5)
        close(socket.descriptor)
        host.stop()
        journalist.writeNoted()
    }
}
