import Domain
import DomainRPC
import DomainWire
import Glibc
import Synchronization

/// A node of our own, to try a domain with: it registers, answers its agent's calls as the reference's node does (domain
/// specification, section 6.1), keeps a record of them, and goes wrong where it is told to. It runs nothing.
package final class DemoNode: Sendable {
    /// What makes a node.
    package struct Settings: Sendable {
        /// Which node.
        package var node: NodeID
        /// Where it registers.
        package var registerURL: ServiceURL
        /// Where its agent listens; with port 0, at any port that is free.
        package var agentURL = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 0)
        /// Where it says that its functions are invoked. Nothing listens there.
        package var invocationURL = "http://127.0.0.1:7006"
        /// What it can do.
        package var capabilities = NodeCapabilities()
        /// What it offers.
        package var providers: [ResourceProvider] = []
        /// How often it registers, in seconds.
        package var interval = 2
        /// How it is protected.
        package var tls = TLSSettings()

        /// A node with one CPU that runs WebAssembly.
        package init(node: NodeID, registerURL: ServiceURL) {
            self.node = node
            self.registerURL = registerURL
            capabilities.cpus = 1
            capabilities.cores = 1
            capabilities.runtimes = ["RUST_WASM"]
        }
    }

    /// Which node.
    package let node: NodeID
    /// Where its agent listens.
    package let agentURL: ServiceURL
    private let nodeState: DemoNodeState
    private let interval: Int
    private let register: ServerConnection
    private let server: RunningServer
    private let refreshing = Mutex<Task<Void, Never>?>(nil)

    /// A node whose agent listens; it does not register yet.
    ///
    /// - Throws: `ListenError` where its address cannot be listened on, `ServerConnectionError` where the register cannot be called.
    package init(_ settings: Settings) throws {
        node = settings.node
        interval = settings.interval
        register = try ServerConnection(settings.registerURL, tls: settings.tls.client, messageLimit: 4 << 20)
        let listener = try Listener(settings.agentURL)
        agentURL = ServiceURL(scheme: settings.agentURL.scheme, host: settings.agentURL.host, port: listener.port)
        let nodeState = DemoNodeState(
            node: settings.node,
            description: NodeDescription(
                agentURL: agentURL.description, invocationURL: settings.invocationURL, providers: settings.providers,
                capabilities: settings.capabilities))
        self.nodeState = nodeState
        let agent = AgentMethods(nodeState: nodeState)
        server = RunningServer(
            listener, tls: settings.tls.server, messageLimit: 256 << 20,
            services: [AgentFunctions(agent: agent), AgentResources(agent: agent), AgentManagement(agent: agent)]
        ) { nodeState.accept($0) }
    }

    /// What it does wrong.
    package var faults: NodeFaults {
        get { nodeState.state.withLock { $0.faults } }
        set { nodeState.state.withLock { $0.faults = newValue } }
    }

    /// What it says of itself when it registers next.
    package var description: NodeDescription {
        get { nodeState.state.withLock { $0.description } }
        set { nodeState.state.withLock { $0.description = newValue } }
    }

    /// How it says that it is.
    package var health: NodeHealth {
        get { nodeState.state.withLock { $0.health } }
        set { nodeState.state.withLock { $0.health = newValue } }
    }

    /// What it has measured since it registered last.
    package var samples: PerformanceSamples {
        get { nodeState.state.withLock { $0.samples } }
        set { nodeState.state.withLock { $0.samples = newValue } }
    }

    /// The calls of its agent, in order, those too that a fault kept it from carrying out.
    package var calls: [NodeCall.Request] { nodeState.state.withLock { $0.calls } }

    /// What it was asked to run and not to stop.
    package var components: [ComponentID: Specification] { nodeState.state.withLock { $0.components } }

    /// The nodes that it knows, with the URLs at which their functions are invoked.
    package var peers: [NodeID: String] { nodeState.state.withLock { $0.peers } }

    /// How many connections its agent has taken.
    package var connections: Int { nodeState.state.withLock { $0.connections } }

    /// Forgets the record of the calls.
    package func forgetCalls() { nodeState.state.withLock { $0.calls = [] } }

    /// Registers once: a lease for twice the interval, all that it can do, and the samples taken since the last time, which are
    /// gone also where that fails.
    ///
    /// - Returns: why the domain refuses it; nil where it does not.
    /// - Throws: where there is no answer.
    package func registerOnce(within deadline: Duration = .seconds(30)) async throws -> DomainRefusal? {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let update = nodeState.state.withLock { state in
            defer { state.samples = PerformanceSamples() }
            return NodeUpdate(
                node: node, description: state.description,
                refreshDeadline: UInt64(max(0, now.tv_sec + state.faults.clockSkew + 2 * interval)),
                nonce: state.nonce, health: state.health, samples: state.samples)
        }
        let message = EdgelessApi_UpdateNodeRequest(update)
        return try await register.call(within: deadline) { client, options in
            try await EdgelessApi_NodeRegistration.Client(wrapping: client).updateNode(message, options: options)
        }.refusal
    }

    /// Registers from now on, at once and then every interval, whatever comes of it.
    package func start() {
        let task = Task { [weak self, interval] in
            while !Task.isCancelled {
                _ = try? await self?.registerOnce(within: .seconds(interval))
                do { try await Task.sleep(for: .seconds(interval)) } catch { return }
            }
        }
        refreshing.withLock { refreshing in
            refreshing?.cancel()
            refreshing = task
        }
    }

    /// Registers no more, as a node that has died; its agent goes on.
    package func fallSilent() {
        refreshing.withLock { refreshing in
            refreshing?.cancel()
            refreshing = nil
        }
    }

    /// Is a new process: it runs nothing, knows nobody, and draws another nonce.
    package func restart() {
        nodeState.state.withLock { state in
            state.nonce = .random(in: 0 ... .max)
            state.components = [:]
            state.peers = [:]
        }
    }

    /// Closes the connections that its agent has taken.
    package func closeConnections() { nodeState.closeConnections() }

    /// Ends it.
    package func stop() async {
        fallSilent()
        register.close()
        nodeState.closeConnections()
        await server.stop(within: .milliseconds(100))
    }
}
