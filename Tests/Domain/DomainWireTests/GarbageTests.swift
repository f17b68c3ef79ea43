import Domain
import DomainWire
import SwiftProtobuf
import TestSupport
import Testing

@Suite struct GarbageTests {
    /// Parses `bytes` as each message, and each message as its value.
    private func decode(_ bytes: [UInt8]) {
        if let message = try? EdgelessApi_SpawnFunctionRequest(serializedBytes: bytes) {
            _ = try? FunctionSpecification(wire: message, binaries: BinaryInterner())
        }
        if let message = try? EdgelessApi_ResourceInstanceSpecification(serializedBytes: bytes) {
            _ = try? ResourceSpecification(wire: message)
        }
        if let message = try? EdgelessApi_InstanceIdVariant(serializedBytes: bytes) {
            _ = try? LogicalID(wire: message)
            _ = try? PhysicalID(wire: message)
        }
        if let message = try? EdgelessApi_StartComponentResponse(serializedBytes: bytes) {
            _ = try? message.nodeAnswer()
            _ = try? message.domainAnswer()
        }
        if let message = try? EdgelessApi_PatchRequest(serializedBytes: bytes) {
            _ = try? message.nodePatch()
            _ = try? message.domainPatch()
        }
        if let message = try? EdgelessApi_UpdateNodeRequest(serializedBytes: bytes) {
            _ = try? NodeUpdate(wire: message)
        }
        if let message = try? EdgelessApi_UpdateNodeResponse(serializedBytes: bytes) { _ = message.refusal }
        if let message = try? EdgelessApi_UpdatePeersRequest(serializedBytes: bytes) {
            _ = try? PeerUpdate(wire: message)
        }
        if let message = try? EdgelessApi_UpdateDomainRequest(serializedBytes: bytes) {
            _ = DomainUpdate(wire: message)
        }
        if let message = try? EdgelessApi_UpdateDomainResponse(serializedBytes: bytes) {
            _ = DomainUpdateOutcome(wire: message)
        }
        _ = try? EdgelessApi_WorkflowIdList(serializedBytes: bytes)
        _ = try? EdgelessApi_WorkflowInstanceInfo(serializedBytes: bytes)
    }

    @Test("every decoder parses or refuses random bytes without a trap", arguments: 0..<4 as Range<UInt64>)
    func noise(seed: UInt64) {
        var values = RandomValues(seed: seed)
        for _ in 0..<1_000 { decode(values.bytes(60)) }
    }

    @Test(
        "every decoder parses or refuses mutated messages without a trap", arguments: 0..<4 as Range<UInt64>
    )
    func damage(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        for _ in 0..<150 {
            let binaries = BinaryInterner()
            let messages: [any SwiftProtobuf.Message] = [
                EdgelessApi_SpawnFunctionRequest(values.function(binaries: binaries)),
                EdgelessApi_UpdateNodeRequest(values.nodeUpdate()),
                EdgelessApi_UpdateDomainRequest(values.domainUpdate()),
                EdgelessApi_PatchRequest(values.id(), mapping: ["out": values.physical()]),
            ]
            for message in messages {
                var bytes: [UInt8] = try message.serializedBytes()
                if Bool.random(using: &values.random) {
                    bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &values.random)))
                }
                for _ in 0..<3 where !bytes.isEmpty {
                    bytes[Int.random(in: 0..<bytes.count, using: &values.random)] = values.number()
                }
                decode(bytes)
            }
        }
    }
}
