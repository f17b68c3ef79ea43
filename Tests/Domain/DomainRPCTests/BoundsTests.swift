import Domain
import DomainDemo
import DomainRPC
import DomainWire
import Glibc
import Synchronization
import TestSupport
import Testing

/// The limits of a server: sizes, counts, addresses.
@Suite struct BoundsTests {
    @Test("a message above the limit is RESOURCE_EXHAUSTED, one below it arrives completely")
    func messageLimit() async throws {
        var settings = Serving.settings()
        settings.messageLimit = 100_000
        try await Serving.serving(settings) { (serving) async throws in
            let text = await failure { _ = try await serving.orchestrator.start(.function(Sample.binary(150_000))) }
            #expect(text?.contains("status 8 (") == true && text?.contains("100000") == true, "\(text ?? "OK")")
            #expect(serving.stub.asked.isEmpty)
            _ = try await serving.orchestrator.start(.function(Sample.binary(90_000)))
            guard case .function(let function) = serving.stub.state.withLock({ $0.specifications.first }) else {
                Issue.record("no function")
                return
            }
            #expect(function.functionClass.binary?.bytes == Sample.binary(90_000).functionClass.binary?.bytes)
        }
    }

    @Test("requests beyond the memory budget are RESOURCE_EXHAUSTED until others are answered")
    func memoryLimit() async throws {
        var settings = Serving.settings()
        settings.memoryLimit = 800_000
        try await Serving.serving(settings) { (serving) async throws in
            serving.stub.state.withLock { $0.delay = .seconds(20) }
            let held = Task { try await serving.orchestrator.start(.function(Sample.binary(690_000))) }
            while serving.stub.asked.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
            #expect(serving.server.bytesInFlight > 690_000)
            serving.stub.state.withLock { $0.delay = nil }
            let text = await failure { _ = try await serving.orchestrator.start(.function(Sample.binary(80_000))) }
            #expect(text?.contains("status 8 (") == true, "\(text ?? "OK")")
            // The rest is reserved for short requests.
            _ = try await serving.orchestrator.start(.function(Sample.binary(5_000)))

            held.cancel()
            serving.orchestrator.close()
            while serving.server.bytesInFlight > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test("short requests use the remaining memory for long ones when their reserve is full")
    func shortMemory() async throws {
        var settings = Serving.settings()
        settings.memoryLimit = 400_000
        try await Serving.serving(settings) { (serving) async throws in
            serving.stub.state.withLock { $0.delay = .seconds(20) }
            let held = (0..<4).map { _ in
                Task { try await serving.orchestrator.start(.function(Sample.binary(40_000))) }
            }
            for _ in 0..<1_000 where serving.stub.asked.count < 4 {
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(serving.stub.asked.count == 4 && serving.server.bytesInFlight > 160_000)
            for one in held { one.cancel() }
            serving.orchestrator.close()
            while serving.server.bytesInFlight > 0 { try await Task.sleep(for: .milliseconds(5)) }
        }
    }

    @Test("connections beyond the limit are closed, until others end")
    func connectionLimit() async throws {
        var settings = Serving.settings()
        settings.connections = 1
        try await Serving.serving(settings) { (serving) async throws in
            _ = try await serving.orchestrator.start(.resource(Sample.resource))
            let second = try OrchestratorClient(
                url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.orchestratorPort),
                within: .seconds(2))
            #expect(await failure { _ = try await second.start(.resource(Sample.resource)) } != nil)
            serving.orchestrator.close()
            var isServed = false
            for _ in 0..<200 where !isServed {
                isServed = await failure { _ = try await second.start(.resource(Sample.resource)) } == nil
                if !isServed { try await Task.sleep(for: .milliseconds(100)) }
            }
            #expect(isServed)
            second.close()
        }
    }

    @Test("a silent client, or one that sends half a request, is disconnected", arguments: [false, true])
    func slowClients(isProtected: Bool) async throws {
        var settings = Serving.settings(isProtected ? .https : .http)
        settings.greetingTimeout = .milliseconds(300)
        settings.receiveTimeout = .milliseconds(300)
        if isProtected {
            settings.tls = TLSSettings.Server(identity: try Certificates.made.get().identity("server"))
        }
        try await Serving.serving(settings) { (serving) async throws in
            let silent = try RawConnection(port: serving.server.orchestratorPort)
            _ = try await silent.read()
            silent.send([], resets: false)
            if isProtected {
                // A partial handshake does not count.
                let halting = try RawConnection(port: serving.server.orchestratorPort)
                halting.write([22, 3, 1, 2, 0, 1])
                _ = try await halting.read()
                halting.send([], resets: false)
                return
            }
            // A request without its message: the preface, empty settings, and headers for a Stop.
            let slow = try RawConnection(port: serving.server.orchestratorPort)
            let path = Array("/edgeless_api.FunctionInstance/Stop".utf8)
            var headers: [UInt8] = [0x83, 0x86, 0x04, UInt8(path.count)]
            headers += path
            for (name, value) in [("content-type", "application/grpc"), ("te", "trailers")] {
                headers += [0x00, UInt8(name.utf8.count)] + Array(name.utf8)
                headers += [UInt8(value.utf8.count)] + Array(value.utf8)
            }
            slow.write(
                Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
                    + [0, 0, UInt8(headers.count), 1, 4, 0, 0, 0, 1] + headers)
            // Trailers with the status.
            let wanted: [UInt8] = [1, 5, 0, 0, 0, 1]
            #expect(try await slow.read(until: wanted).firstRange(of: wanted) != nil)
            slow.send([], resets: false)
        }
    }

    @Test("a client that stops answering pings is disconnected")
    func silentClients() async throws {
        var settings = Serving.settings()
        settings.idleTimeout = .milliseconds(200)
        settings.greetingTimeout = .milliseconds(200)
        try await Serving.serving(settings) { (serving) async throws in
            let silent = try RawConnection(port: serving.server.orchestratorPort)
            silent.write(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
            _ = try await silent.read()
            silent.send([], resets: false)
        }
    }

    @Test("a port in use, a foreign address and an unresolvable name are errors that name the URL")
    func listenErrors() async throws {
        try await Serving.serving { (serving) async throws in
            func error(_ url: String) throws -> ListenError? {
                var settings = Serving.settings()
                settings.nodeRegisterURL = try ServiceURL(url)
                let quiet = serving
                return #expect(throws: ListenError.self) {
                    _ = try Serving(settings)
                    _ = quiet
                }
            }
            let taken = try error("http://127.0.0.1:\(serving.server.orchestratorPort)")
            #expect(taken?.description.contains("127.0.0.1:\(serving.server.orchestratorPort): bind: ") == true)
            #expect(try error("http://192.0.2.1:7004")?.url == "http://192.0.2.1:7004")
            #expect(try error("http://no-such-host.invalid:7004")?.url == "http://no-such-host.invalid:7004")
            #expect(try error("coap://127.0.0.1:0")?.reason == "CoAP is not supported")
            #expect(try error("https://127.0.0.1:0")?.reason.hasPrefix("https needs server_cert_path") == true)
        }
    }

    @Test("localhost is resolved")
    func localhost() async throws {
        var settings = Serving.settings()
        settings.orchestratorURL = ServiceURL(scheme: .http, host: .name("localhost"), port: 0)
        try await Serving.serving(settings) { (serving) async throws in
            let client = try OrchestratorClient(
                url: ServiceURL(scheme: .http, host: .name("localhost"), port: serving.server.orchestratorPort))
            _ = try await client.start(.resource(Sample.resource))
            client.close()
        }
    }

    @Test("a stop finishes requests in progress and accepts no new ones")
    func gracefulStop() async throws {
        let serving = try Serving()
        serving.stub.state.withLock { $0.delay = .milliseconds(500) }
        let held = Task { try await serving.orchestrator.start(.resource(Sample.resource)) }
        while serving.stub.asked.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        let stopped = Task { await serving.server.stop(within: .seconds(30)) }
        #expect(try await held.value == .success(LogicalID(high: 1, low: 2)))
        serving.orchestrator.close()
        serving.register.close()
        await stopped.value
        try await serving.server.waitUntilStopped()
        let late = try OrchestratorClient(
            url: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.orchestratorPort),
            within: .seconds(5))
        let text = await failure { _ = try await late.start(.resource(Sample.resource)) }
        #expect(text?.hasPrefix("unreachable") == true, "\(text ?? "OK")")
        late.close()
    }

    @Test("foreign protocols, aborted and reset connections do not stop the server")
    func garbage() async throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededRandom(seed: seed)
        try await Serving.serving { (serving) async throws in
            let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
            for turn in 0..<120 {
                let noise = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
                let bytes = [
                    noise, preface, preface + noise, preface + settings + noise, Array("GET / HTTP/1.1\r\n\r\n".utf8),
                ][turn % 5]
                let port = [serving.server.orchestratorPort, serving.server.nodeRegisterPort][turn / 5 % 2]
                try RawConnection(port: port).send(bytes, resets: turn % 3 == 0)
            }
            #expect(
                try await serving.orchestrator.start(.resource(Sample.resource)) == .success(.init(high: 1, low: 2)),
                "seed \(seed)")
            #expect(try await serving.update(EdgelessApi_UpdateNodeRequest(Sample.update())) == nil, "seed \(seed)")
        }
    }
}

/// A raw loopback connection.
struct RawConnection {
    struct Failure: Error {}

    let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafeBytes(of: &address) { bytes in
            bytes.baseAddress.map {
                connect(descriptor, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            } ?? -1
        }
        guard descriptor >= 0, result == 0 else { throw Failure() }
    }

    func write(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Reads until the other side closes, or these bytes arrive. Does not block a thread, because the server needs them.
    func read(until wanted: [UInt8]? = nil) async throws -> [UInt8] {
        var (bytes, piece) = ([UInt8](), [UInt8](repeating: 0, count: 4_096))
        while true {
            let count = recv(descriptor, &piece, piece.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN {
                try await Task.sleep(for: .milliseconds(10))
                continue
            }
            guard count > 0 else { return bytes }
            bytes += piece.prefix(count)
            if let wanted, bytes.firstRange(of: wanted) != nil { return bytes }
        }
    }

    func send(_ bytes: [UInt8], resets: Bool) {
        write(bytes)
        if resets {
            var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        }
        close(descriptor)
    }
}
