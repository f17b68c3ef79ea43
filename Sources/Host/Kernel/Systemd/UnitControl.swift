import Glibc
import Machine
import Service

/// Sets what systemd itself lets its units have, so that it does not put back something else.
package protocol UnitControl: Sendable {
    /// Whether systemd is there to be asked.
    var isThere: Bool { get }

    /// Sets the CPUs and memory nodes of a unit until the next boot; nil leaves what it is.
    ///
    /// - Throws: ``EnforcementError`` where systemd refuses, or does not answer.
    func allow(_ unit: String, cpus: CPUSet?, memoryNodes: CPUSet?) throws(EnforcementError)
}

/// Nobody: there is no systemd.
package struct NoUnitControl: UnitControl {
    /// None.
    package init() {}

    /// False.
    package var isThere: Bool { false }

    /// Does nothing.
    package func allow(_ unit: String, cpus: CPUSet?, memoryNodes: CPUSet?) {}
}

/// systemd, asked over the system bus.
package struct SystemdUnits: UnitControl {
    private let socket: String
    /// How long an answer may take, in seconds.
    private static let patience = 5

    /// systemd behind the bus at `socket`.
    package init(socket: String = "/run/dbus/system_bus_socket") { self.socket = socket }

    /// Whether the bus is there.
    package var isThere: Bool { access(socket, F_OK) == 0 }

    /// Sets `AllowedCPUs=` and `AllowedMemoryNodes=` of a unit.
    ///
    /// - Throws: ``EnforcementError`` with systemd's reason.
    package func allow(_ unit: String, cpus: CPUSet?, memoryNodes: CPUSet?) throws(EnforcementError) {
        var bitmaps: [(name: String, bits: CPUSet)] = []
        if let cpus { bitmaps.append(("AllowedCPUs", cpus)) }
        if let memoryNodes { bitmaps.append(("AllowedMemoryNodes", memoryNodes)) }
        guard !bitmaps.isEmpty else { return }
        let bus = try BusConnection(socket, patience: Self.patience)
        defer { bus.close() }
        try bus.call(
            1,
            BusMessage.call(
                1, to: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus",
                member: "Hello"))
        try bus.call(
            2,
            BusMessage.call(
                2, to: "org.freedesktop.systemd1", path: "/org/freedesktop/systemd1",
                interface: "org.freedesktop.systemd1.Manager", member: "SetUnitProperties", signature: "sba(sv)",
                body: BusMessage.properties(of: unit, bitmaps)))
    }
}

/// A connection to a message bus.
private struct BusConnection {
    private let descriptor: Int32
    private let deadline: ContinuousClock.Instant

    init(_ path: String, patience: Int) throws(EnforcementError) {
        deadline = .now + .seconds(patience)
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw EnforcementError(SystemError("make a socket", errno: errno)) }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        do throws(EnforcementError) {
            try connect(path)
            let uid = String(geteuid()).utf8.map { String($0, radix: 16) }.joined()
            try send(Array("\0AUTH EXTERNAL \(uid)\r\n".utf8))
            guard try line().hasPrefix("OK ") else { throw EnforcementError("the bus at \(path) does not let us in") }
            try send(Array("BEGIN\r\n".utf8))
        } catch {
            close()
            throw error
        }
    }

    func close() { Glibc.close(descriptor) }

    /// Calls a method and waits for its answer.
    func call(_ serial: UInt32, _ message: [UInt8]) throws(EnforcementError) {
        try send(message)
        while true {
            var bytes = try receive(16)
            guard let length = BusMessage.length(bytes) else {
                throw EnforcementError("the bus answers with no message")
            }
            bytes += try receive(length - 16)
            guard let answer = BusMessage(bytes) else { throw EnforcementError("the bus answers with no message") }
            guard answer.replySerial == serial else { continue }
            guard answer.kind == .error else { return }
            throw EnforcementError("systemd: \(answer.text ?? answer.errorName ?? "an error without a name")")
        }
    }

    private func connect(_ path: String) throws(EnforcementError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { place in
            guard path.utf8.count < place.count else { return false }
            place.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { throw EnforcementError("\(path) is too long for a socket") }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw EnforcementError(SystemError("connect to \(path)", errno: errno)) }
    }

    private func send(_ bytes: [UInt8]) throws(EnforcementError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw EnforcementError(SystemError("write to the system bus", errno: errno)) }
            rest = rest.dropFirst(count)
        }
    }

    private func receive(_ count: Int) throws(EnforcementError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            guard deadline > .now else { throw EnforcementError("systemd does not answer") }
            let more = bytes.withUnsafeMutableBytes {
                recv(descriptor, $0.baseAddress?.advanced(by: filled), count - filled, 0)
            }
            if more < 0 && errno == EINTR { continue }
            if more < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) {
                throw EnforcementError("systemd does not answer")
            }
            guard more > 0 else { throw EnforcementError("the system bus has closed the connection") }
            filled += more
        }
        return bytes
    }

    private func line() throws(EnforcementError) -> String {
        var bytes: [UInt8] = []
        while bytes.last != UInt8(ascii: "\n"), bytes.count < 512 { bytes += try receive(1) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
