import Domain
import DomainWire
import NIOCore
import Synchronization

/// The state of a ``DemoNode``, shared with its agent.
final class DemoNodeState: Sendable {
    struct State {
        var description: NodeDescription
        var faults = NodeFaults()
        var nonce = UInt64.random(in: 0 ... .max)
        var health = NodeHealth()
        var samples = PerformanceSamples()
        var calls: [NodeCall.Request] = []
        var components: [ComponentID: Specification] = [:]
        var peers: [NodeID: String] = [:]
        var connections = 0
        var channels: [ObjectIdentifier: any Channel] = [:]
    }

    let node: NodeID
    let state: Mutex<State>

    init(node: NodeID, description: NodeDescription) {
        self.node = node
        state = Mutex(State(description: description))
    }

    /// Counts and remembers a connection, so that a fault can close it.
    func accept(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        state.withLock { state in
            state.connections += 1
            state.channels[id] = channel
        }
        channel.closeFuture.whenComplete { [weak self] _ in
            self?.state.withLock { $0.channels[id] = nil }
        }
    }

    func closeConnections() {
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    /// Starts a component, or refuses as an EDGELESS node does; nil for an answer without content.
    func start(_ specification: Specification) -> Result<PhysicalID, DomainRefusal>? {
        state.withLock { state in
            if state.faults.refusals > 0 {
                state.faults.refusals -= 1
                return .failure(DomainRefusal("the node refuses", detail: "as it was told to"))
            }
            switch specification {
            case .function(let function):
                let runtime = function.functionClass.runtime
                guard state.description.capabilities.runtimes.contains(runtime) else {
                    return .failure(
                        DomainRefusal(
                            "Error when creating a function instance", detail: "there is no run-time \(runtime.quoted)")
                    )
                }
            case .resource(let resource):
                let refuse = { DomainRefusal("Error when creating a resource", detail: $0) }
                guard state.description.providers.contains(where: { $0.classType == resource.classType }) else {
                    return .failure(refuse("there is no provider of the class \(resource.classType.quoted)"))
                }
                guard resource.classType != "file-log" || resource.configuration["filename"] != nil else {
                    return .failure(refuse("file-log needs a filename"))
                }
            }
            var random = SystemRandomNumberGenerator()
            let id = PhysicalID(node: state.faults.claimedNode ?? node, component: ComponentID(random: &random))
            state.components[id.component] = specification
            return state.faults.answersNothing ? nil : .success(id)
        }
    }

    /// Stops a component; returns whether there was one.
    func stop(_ component: ComponentID, _ kind: ComponentKind) -> Bool {
        state.withLock { state in
            guard state.components[component]?.kind == kind else { return false }
            state.components[component] = nil
            return true
        }
    }

    func has(_ component: ComponentID, _ kind: ComponentKind) -> Bool {
        state.withLock { $0.components[component]?.kind == kind }
    }

    func update(_ update: PeerUpdate) {
        state.withLock { state in
            switch update {
            case .add(let node, let url): state.peers[node] = url
            case .remove(let node): state.peers[node] = nil
            case .clear: state.peers = [:]
            }
        }
    }

    func reset() { state.withLock { $0.components = [:] } }
}
