import Glibc
import TestSupport
import Testing
import WireJSON

/// Signals, and what is reported to the service manager.
@Suite struct SignalTests {
    @Test(
        "SIGTERM and SIGINT end it orderly: no socket is left, status 0, everything is there again",
        arguments: [SIGTERM, SIGINT])
    func orderlyEnd(signal: Int32) async throws {
        let site = try Site()
        let daemon = try await site.serve()
        try daemon.cores("a", 2)
        daemon.program.signal(signal)
        #expect(try await daemon.program.end() == 0)
        #expect(!exists(site.socket) && !exists("\(site.socket).new"))
        #expect(daemon.program.lines.last?.hasSuffix("Z NOTICE: stopped") == true)
        let next = try await site.serve()
        #expect(try next.allocations() == ["a": "2-3"])
        #expect(try await next.stop() == 0)
    }

    @Test("a request that is being sent when SIGTERM comes is still answered, and what it was granted is stored")
    func inFlight() async throws {
        let site = try Site()
        // Nothing here may take longer than the daemon waits: the test does not give its thread to others.
        let daemon = try await site.serve(["--simulate", "--read-timeout", "60"])
        let client = try SocketClient(site.socket)
        try client.send(#"{"action":"allocate_cores","service_name":"late","#)
        // The connection is known to the server once a later one was answered; what it sent is read soon after.
        _ = try daemon.list()
        usleep(100_000)
        daemon.program.signal(SIGTERM)
        for _ in 0..<1000 where exists(site.socket) { usleep(2_000) }
        #expect(!exists(site.socket))
        #expect(throws: SocketClient.Failure.self) { try SocketClient(site.socket) }
        let reply = try JSONValue(Array(try client.ask(#""num_of_cores":2}"#).utf8))
        #expect(reply["allocated_cores"]?.string == "2-3", "\(reply)")
        #expect(try await daemon.program.end() == 0)
        let next = try await site.serve()
        #expect(try next.allocations() == ["late": "2-3"])
        #expect(try await next.stop() == 0)
    }

    @Test("a socket that somebody else has put in place meanwhile is not removed")
    func foreignSocket() async throws {
        let site = try Site()
        let daemon = try await site.serve()
        TemporaryDirectory.remove(site.socket)
        try TemporaryDirectory.write([], to: site.socket)
        #expect(try await daemon.stop() == 0)
        #expect(exists(site.socket))
    }

    @Test("readiness, reloading and the end are reported to the service manager")
    func notifications() async throws {
        let site = try Site()
        let path = "\(site.path)/notify"
        let receiver = try DatagramReceiver(path)
        let daemon = try await site.serve(environment: ["NOTIFY_SOCKET": path])
        #expect(try receiver.next() == "READY=1\nSTATUS=Serving \(site.socket)")
        daemon.program.signal(SIGHUP)
        let reloading = try receiver.next()
        #expect(reloading.hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
        #expect(reloading.split(separator: "=").last.flatMap { Int($0) } != nil)
        #expect(try receiver.next().hasPrefix("READY=1\n"))
        #expect(try await daemon.stop() == 0)
        #expect(try receiver.next() == "STOPPING=1")
    }

    @Test("that allocations are refused is reported to the service manager")
    func notifiesCorruption() async throws {
        let site = try Site()
        #expect(try await (try await site.serve()).stop() == 0)
        try Spoiling.edited(site.database) { $0[20] ^= 1 }
        let path = "\(site.path)/notify"
        let receiver = try DatagramReceiver(path)
        let daemon = try await site.serve(environment: ["NOTIFY_SOCKET": path])
        #expect(try receiver.next() == "READY=1\nSTATUS=Refusing changes: corrupt state")
        #expect(try await daemon.stop() == 65)
    }

    @Test("a service manager that is gone harms nothing")
    func noManager() async throws {
        let site = try Site()
        let daemon = try await site.serve(environment: ["NOTIFY_SOCKET": "\(site.path)/nobody"])
        #expect(try daemon.cores("a", 1).error == nil)
        #expect(try await daemon.stop() == 0)
    }
}

/// A Unix datagram socket that waits at most ten seconds.
final class DatagramReceiver {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix(107)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func next() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        try #require(count >= 0, "no message came")
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
