import Domain
import DomainDemo
import DomainWire
import Glibc
import Synchronization
import TestSupport
import Testing

/// A directory with a configuration and a state, free ports, and the `berth-domain` processes of a test.
final class DomainSite {
    let directory: TemporaryDirectory
    let binary: String
    let orchestrator: ServiceURL
    let nodeRegister: ServiceURL
    let controllerRegister: ServiceURL
    /// An address for the status server.
    let status: ServiceURL
    private var starts = 0

    let domainID: String

    /// - Parameter controller: the controller's domain register, if several sites share one.
    init(name: String = "berth-domain", domainID: String = "domain-test", controller: ServiceURL? = nil) throws {
        self.domainID = domainID
        directory = try TemporaryDirectory()
        binary = try Program.built(name)
        var ports = try Self.freePorts(4)
        func url() -> ServiceURL { ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: ports.removeFirst()) }
        (orchestrator, nodeRegister, controllerRegister) = (url(), url(), controller ?? url())
        status = url()
        try write("")
    }

    var config: String { "\(directory.path)/orchestrator.toml" }

    /// Writes the configuration with additional lines in the table `general`.
    ///
    /// - Parameter announced: the announced URL of the orchestrator.
    func write(_ general: String, _ rest: String = "", announced: String? = nil) throws {
        let text = """
            [general]
            domain_register_url = "\(controllerRegister)"
            subscription_refresh_interval_sec = 1
            domain_id = "\(domainID)"
            orchestrator_url = "\(orchestrator)"
            orchestrator_url_announced = "\(announced ?? "\(orchestrator)")"
            node_register_url = "\(nodeRegister)"
            \(general)
            \(rest)
            """
        try TemporaryDirectory.write(Array(text.utf8), to: config)
    }

    func spawn(_ arguments: [String] = []) throws -> Program {
        starts += 1
        return try Program(
            [binary, "-c", config, "--state-dir", "\(directory.path)/state"] + arguments,
            // A crash must end the process at once, without a backtrace.
            environment: ["RUST_LOG": "info", "SWIFT_BACKTRACE": "enable=no"], output: "\(directory.path)/log-\(starts)"
        )
    }

    /// Starts a domain and waits until it serves.
    func serve() async throws -> Program {
        let program = try spawn()
        guard try await program.prints("NOTICE: serving", seconds: 30) else {
            throw Silent(description: "berth-domain does not serve: \(program.text)")
        }
        return program
    }

    struct Silent: Error, CustomStringConvertible { let description: String }

    /// - Parameter skew: how far its clock is ahead, in seconds.
    func node(
        _ number: Int, labels: [String] = [], providers: [ResourceProvider] = [], skew: Int = 0
    ) throws -> DemoNode {
        var settings = DemoNode.Settings(node: NodeID(high: 7, low: UInt64(number)), registerURL: nodeRegister)
        settings.capabilities.cpus = 1
        settings.capabilities.cores = 1
        settings.capabilities.runtimes = ["RUST_WASM"]
        settings.capabilities.labels = labels
        settings.providers = providers
        // On a busy machine a second may pass between two refreshes.
        settings.interval = 2
        let node = try DemoNode(settings)
        node.faults.clockSkew = skew
        node.start()
        return node
    }

    static func function(_ annotations: [String: String] = [:]) -> Specification {
        .function(
            FunctionSpecification(
                functionClass: FunctionClass(
                    id: "doubler", runtime: "RUST_WASM", version: "0.1",
                    binary: Binary(digest: BinaryInterner.digest(of: [1, 2, 3]), bytes: [1, 2, 3]), outputs: ["out"]),
                annotations: annotations, stateID: StateID(high: 1, low: 1), statePolicy: .nodeLocal, workflowID: "wf"))
    }

    /// Where the next free port is looked for: below those that the kernel gives to connections, so that none of those takes it
    /// before it is listened at.
    private static let nextPort = Mutex(UInt16.random(in: 10_000..<20_000))

    /// Free ports on the loopback interface, each returned once.
    private static func freePorts(_ count: Int) throws -> [UInt16] {
        var ports: [UInt16] = []
        for _ in 0..<10_000 where ports.count < count {
            let port = nextPort.withLock { next in
                defer { next = next < 30_000 ? next + 1 : 10_000 }
                return next
            }
            if isFree(port) { ports.append(port) }
        }
        guard ports.count == count else { throw Silent(description: "no free ports") }
        return ports
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
