import CLinux
import Glibc

/// Reports to the service manager what state the program is in (sd_notify(3)); does nothing where none asked for it.
package struct SystemdNotifier: Sendable {
    private let socket: String?

    /// A notifier for the socket that `NOTIFY_SOCKET` names.
    package init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
    }

    /// The program serves.
    package func ready(status: String) { send("READY=1\nSTATUS=\(oneLine(status))") }

    /// The program reads its configuration again; ``ready(status:)`` must follow.
    package func reloading() {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        send("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)")
    }

    /// The program ends.
    package func stopping() { send("STOPPING=1") }

    private func oneLine(_ text: String) -> String { escaped(text) }

    private func send(_ message: String) {
        guard let socket else { return }
        // A manager that is gone or slow must not stop the service: the result does not matter.
        _ = message.withCString { clinux_send_datagram(socket, $0, strlen($0)) }
    }
}
