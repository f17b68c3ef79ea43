import ArgumentParser
import Glibc
import Host
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Storage
import UnixSignals

/// `berthd serve`: serves until a signal ends it.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve the sockets (the default).")

    @OptionGroup var state: StateOptions
    @OptionGroup var options: ServeOptions
    @OptionGroup var machine: MachineOptions
    @OptionGroup var imported: ImportOptions

    func run() async throws {
        let source = ConfigurationSource(
            config: state.config, flags: state.flags + options.flags + machine.flags + imported.flags)
        let configuration: DaemonConfiguration
        let settings: Settings
        do {
            configuration = try source.configuration()
            settings = try Settings(configuration, source)
        } catch {
            printError("\(error)")
            throw Status.configuration
        }
        let paths: Paths
        do { paths = try Paths(serving: configuration, environment: processEnvironment()) } catch {
            printError("\(error)")
            throw Status.inputOutput
        }
        defer { paths.temporary?.remove() }
        do { try ConfigurationCheck.run(configuration, paths, source) } catch {
            printError(error.message)
            throw Status.configuration
        }
        let log = settings.logger
        signal(SIGPIPE, SIG_IGN)
        raiseFileLimit()
        // Signals are taken from here on, so that none that comes early is lost.
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint, .sighup])

        let daemon = try Daemon(
            configuration: configuration, settings: settings, paths: paths, source: source)
        let notifier = SystemdNotifier(environment: processEnvironment())
        notifier.ready(status: daemon.statusLine)
        for await signal in signals {
            guard signal == .sighup else { break }
            notifier.reloading()
            daemon.reload(source)
            notifier.ready(status: daemon.statusLine)
        }
        notifier.stopping()
        await daemon.stop()
        log.notice("stopped")
        if daemon.refusal != nil { throw Status.corrupt }
    }

    /// Every connection is a descriptor: take what the system allows.
    private func raiseFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}

/// Writes a line to standard error.
func printError(_ text: String) {
    let line = Array("berthd: \(text)\n".utf8)
    _ = write(2, line, line.count)
}
