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
import UnixSignals

/// `berthd serve`: serves until a signal ends it.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Serve the socket (the default).")

    @OptionGroup var options: Options

    func run() async throws {
        let configuration: DaemonConfiguration
        let settings: Settings
        let places: Places
        do {
            configuration = try options.configuration()
            settings = try Settings(configuration, options)
            places = Places(configuration, environment: processEnvironment())
            guard places.socket.utf8.count <= SocketFile.pathLimit else {
                throw options.error("socket", "\(SocketFileError.pathTooLong(places.socket))")
            }
        } catch {
            printError("\(error)")
            throw Status.configuration
        }
        let log = settings.logger
        signal(SIGPIPE, SIG_IGN)
        raiseFileLimit()
        // Signals are taken from here on, so that none that comes early is lost.
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint, .sighup])

        let daemon = try Daemon(
            configuration: configuration, settings: settings, places: places, options: options)
        let notifier = SystemdNotifier(environment: processEnvironment())
        notifier.ready(status: daemon.statusLine)
        for await signal in signals {
            guard signal == .sighup else { break }
            notifier.reloading()
            daemon.reload(options)
            notifier.ready(status: daemon.statusLine)
        }
        notifier.stopping()
        daemon.stop()
        log.notice("stopped")
        if daemon.isCorrupt { throw Status.untrusted }
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
