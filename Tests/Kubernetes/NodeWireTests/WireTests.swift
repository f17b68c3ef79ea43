import NodeWire
import SwiftProtobuf
import Testing

/// The messages on the wire, whose numbers clients of actimanager have.
@Suite struct WireTests {
    private func bytes(_ message: some Message) throws -> [UInt8] { try message.serializedBytes() }

    @Test("names of methods have no package, and fields have actimanager's numbers")
    func numbers() throws {
        #expect("\(ActiCPUPinning.Method.ApplyPinning.descriptor)" == "CPUPinning/ApplyPinning")
        #expect("\(ActiCPUPinning.Method.RemovePinning.descriptor)" == "CPUPinning/RemovePinning")
        #expect("\(ActiTopology.Method.GetTopology.descriptor)" == "Topology/GetTopology")
        #expect("\(Grpc_Health_V1_Health.Method.Check.descriptor)" == "grpc.health.v1.Health/Check")
        let resources = ActiResourceInfo.with {
            ($0.requestedCpus, $0.limitCpus, $0.requestedMemory, $0.limitMemory) = (1, 2, "a", "b")
        }
        #expect(try bytes(resources) == [0x08, 1, 0x10, 2, 0x1A, 1, 0x61, 0x22, 1, 0x62])
        let container = ActiContainer.with { ($0.id, $0.name, $0.resources) = ("c", "n", ActiResourceInfo()) }
        #expect(try bytes(container) == [0x0A, 1, 0x63, 0x12, 1, 0x6E, 0x1A, 0])
        let pod = ActiPod.with {
            ($0.id, $0.name, $0.namespace, $0.containers) = ("i", "n", "s", [ActiContainer()])
        }
        #expect(try bytes(pod) == [0x0A, 1, 0x69, 0x12, 1, 0x6E, 0x1A, 1, 0x73, 0x2A, 0])
        let request = ActiApplyPinningRequest.with {
            ($0.pod, $0.cpuSet, $0.memSet) = (ActiPod(), [1, 2], [3])
        }
        #expect(try bytes(request) == [0x0A, 0, 0x12, 2, 1, 2, 0x1A, 1, 3])
        #expect(try bytes(ActiRemovePinningRequest.with { $0.pod = ActiPod() }) == [0x0A, 0])
        #expect(try bytes(ActiResponse.with { $0.status = .error }) == [0x08, 1])
        let core = ActiCore.with { ($0.id, $0.cpus) = (1, [2]) }
        #expect(try bytes(core) == [0x08, 1, 0x12, 1, 2])
        #expect(
            try bytes(ActiSocket.with { ($0.id, $0.cores) = (1, ["0": ActiCore()]) })
                == [0x08, 1, 0x12, 5, 0x0A, 1, 0x30, 0x12, 0])
        #expect(try bytes(ActiNUMANode.with { ($0.id, $0.cpus) = (1, [2]) }) == [0x08, 1, 0x12, 1, 2])
        let topology = ActiTopologyResponse.with {
            ($0.numaNodes, $0.sockets, $0.cpus) = (["0": ActiNUMANode()], ["0": ActiSocket()], [7])
        }
        #expect(
            try bytes(topology)
                == [0x0A, 5, 0x0A, 1, 0x30, 0x12, 0, 0x12, 5, 0x0A, 1, 0x30, 0x12, 0, 0x1A, 1, 7])
    }
}
