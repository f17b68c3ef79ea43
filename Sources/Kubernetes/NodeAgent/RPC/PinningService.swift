import GRPCCore
import KubernetesClient
import NodeWire
import SwiftProtobuf

/// actimanager's service `CPUPinning`. A failure is the status UNKNOWN with actimanager's words before the reason.
struct PinningService: ActiCPUPinning.SimpleServiceProtocol {
    let agent: NodeAgent

    func applyPinning(request: ActiApplyPinningRequest, context: ServerContext) async throws -> ActiResponse {
        do {
            try await agent.apply(
                CalledPod(request.pod), cpus: request.cpuSet.map { Int($0) },
                memoryNodes: request.memSet.map { Int($0) })
        } catch {
            throw RPCError(code: .unknown, message: "failed to apply CPU pinning: \(error)")
        }
        return ActiResponse()
    }

    func removePinning(request: ActiRemovePinningRequest, context: ServerContext) async throws -> ActiResponse {
        do { try await agent.remove(CalledPod(request.pod)) } catch {
            throw RPCError(code: .unknown, message: "failed to remove CPU pinning: \(error)")
        }
        return ActiResponse()
    }
}

extension CalledPod {
    fileprivate init(_ pod: ActiPod) {
        self.init(
            key: ObjectKey(namespace: pod.namespace, name: pod.name), uid: pod.id,
            containers: pod.containers.map { PodContainer(name: $0.name, id: $0.id) })
    }
}

/// actimanager's service `Topology`.
struct TopologyService: ActiTopology.SimpleServiceProtocol {
    let host: any NodeHost

    func getTopology(
        request: Google_Protobuf_Empty, context: ServerContext
    ) async throws -> ActiTopologyResponse {
        let machine: NodeMachine
        do { machine = try await host.machine() } catch {
            // The reference's words, whoever reads the machine.
            throw RPCError(code: .unknown, message: "error executing lscpu: \(error)")
        }
        return ActiTopologyResponse(machine.topology)
    }
}

extension ActiTopologyResponse {
    init(_ topology: NodeCPUTopology.Topology) {
        self.init()
        func numbers(_ cpus: [Int]) -> [Int64] { cpus.map { Int64($0) } }
        cpus = numbers(topology.cpus)
        for node in topology.numaNodes {
            numaNodes["\(node.id)"] = .with { ($0.id, $0.cpus) = (Int64(node.id), numbers(node.cpus)) }
        }
        for socket in topology.sockets {
            sockets["\(socket.id)"] = .with { message in
                message.id = Int64(socket.id)
                for core in socket.cores {
                    message.cores["\(core.id)"] = .with { ($0.id, $0.cpus) = (Int64(core.id), numbers(core.cpus)) }
                }
            }
        }
    }
}
