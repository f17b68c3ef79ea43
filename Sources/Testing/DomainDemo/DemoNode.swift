import Domain
import DomainRPC
import DomainWire
import Glibc
import Synchronization

/// A demo node: registers, answers calls as an EDGELESS node does (domain specification, section 6.1), records them,
/// and can be made to fail. It runs nothing.
package final class DemoNode: Sendable {
    /// The settings of a node.
    package struct Settings: Sendable {
        /// Its id.
        package var node: NodeID
        /// Where it registers.
        package var registerURL: ServiceURL
        /// Where its agent listens; port 0 selects any free port.
        package var agentURL = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 0)
        /// Its invocation URL. Nothing listens there.
        package var invocationURL = "http://127.0.0.1:7006"
        /// Its capabilities.
        package var capabilities = NodeCapabilities()
        /// Its resource providers.
        package var providers: [ResourceProvider] = []
        /// Its refresh interval in seconds.
        package var interval = 2
        /// Its TLS settings.
        package var tls = TLSSettings()

        /// Creates a node with one CPU that runs WebAssembly.
        package init(node: NodeID, registerURL: ServiceURL) {
            self.node = node
            self.registerURL = registerURL
            capabilities.cpus = 1
            capabilities.cores = 1
            capabilities.runtimes = ["RUST_WASM"]
        }
    }

    /// Its id.
    package let node: NodeID
    /// Where its agent listens.
    package let agentURL: ServiceURL
    private let nodeState: DemoNodeState
    private let interval: Int
    private let register: ServerConnection
    private let server: RunningServer
    private let refreshing = Mutex<Task<Void, Never>?>(nil)

    /// Starts the agent; does not register yet.
    ///
    /// - Throws: `ListenError` if the address is not available, `ServerConnectionError` if the register cannot be
    ///   called.
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

    /// Its faults.
    package var faults: NodeFaults {
        get { nodeState.state.withLock { $0.faults } }
        set { nodeState.state.withLock { $0.faults = newValue } }
    }

    /// What it reports about itself when it registers next.
    package var description: NodeDescription {
        get { nodeState.state.withLock { $0.description } }
        set { nodeState.state.withLock { $0.description = newValue } }
    }

    /// Its reported health.
    package var health: NodeHealth {
        get { nodeState.state.withLock { $0.health } }
        set { nodeState.state.withLock { $0.health = newValue } }
    }

    /// Its measurements since the last registration.
    package var samples: PerformanceSamples {
        get { nodeState.state.withLock { $0.samples } }
        set { nodeState.state.withLock { $0.samples = newValue } }
    }

    /// The calls of its agent in order, including failed ones.
    package var calls: [NodeCall.Request] { nodeState.state.withLock { $0.calls } }

    /// The components that it was asked to run and not to stop.
    package var components: [ComponentID: Specification] { nodeState.state.withLock { $0.components } }

    /// Its peers and their invocation URLs.
    package var peers: [NodeID: String] { nodeState.state.withLock { $0.peers } }

    /// How many connections its agent has accepted.
    package var connections: Int { nodeState.state.withLock { $0.connections } }

    /// Clears the recorded calls.
    package func forgetCalls() { nodeState.state.withLock { $0.calls = [] } }

    /// Registers once, with a lease of two intervals and the samples since the last time, which are dropped even if
    /// this fails.
    ///
    /// - Returns: the reason for a refusal; nil if it is accepted.
    /// - Throws: if there is no answer.
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

    /// Registers now and at every interval, regardless of the result.
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

    /// Stops registering, as a node that has died; its agent keeps running.
    package func fallSilent() {
        refreshing.withLock { refreshing in
            refreshing?.cancel()
            refreshing = nil
        }
    }

    /// Simulates a restart: no components, no peers, another nonce.
    package func restart() {
        nodeState.state.withLock { state in
            state.nonce = .random(in: 0 ... .max)
            state.components = [:]
            state.peers = [:]
        }
    }

    /// Closes the accepted connections.
    package func closeConnections() { nodeState.closeConnections() }

    /// Stops the node.
    package func stop() async {
        fallSilent()
        register.close()
        nodeState.closeConnections()
        await server.stop(within: .milliseconds(100))
    }
}
