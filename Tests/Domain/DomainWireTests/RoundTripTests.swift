import Domain
import DomainWire
import SwiftProtobuf
import TestSupport
import Testing

/// A message round trip through bytes.
func reread<Message: SwiftProtobuf.Message>(_ message: Message) throws -> Message {
    try Message(serializedBytes: message.serializedBytes() as [UInt8])
}

/// Domain specification, section 7, A2, with random values.
@Suite struct RoundTripTests {
    static let seeds: Range<UInt64> = 0..<40

    @Test("A2: a function request round-trips", arguments: seeds)
    func functions(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let binaries = BinaryInterner()
        let function = values.function(binaries: binaries)
        let message = try reread(EdgelessApi_SpawnFunctionRequest(function))
        let again = try FunctionSpecification(wire: message, binaries: binaries)
        #expect(again == function, "seed \(seed)")
        #expect(again.functionClass.binary?.bytes == function.functionClass.binary?.bytes, "seed \(seed)")
    }

    @Test("a resource request round-trips", arguments: seeds)
    func resources(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let resource = values.resource()
        let message = try reread(EdgelessApi_ResourceInstanceSpecification(resource))
        #expect(try ResourceSpecification(wire: message) == resource, "seed \(seed)")
    }

    @Test("A2: an answer to a Start round-trips", arguments: seeds)
    func answers(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let logical: LogicalID = values.id()
        let (physical, refusal) = (values.physical(), values.refusal())
        for answer: Result<PhysicalID, DomainRefusal> in [.success(physical), .failure(refusal)] {
            #expect(try reread(EdgelessApi_StartComponentResponse(answer)).nodeAnswer() == answer, "seed \(seed)")
        }
        for answer: Result<LogicalID, DomainRefusal> in [.success(logical), .failure(refusal)] {
            #expect(try reread(EdgelessApi_StartComponentResponse(answer)).domainAnswer() == answer, "seed \(seed)")
        }
        #expect(try LogicalID(wire: reread(EdgelessApi_InstanceIdVariant(logical))) == logical)
        #expect(try PhysicalID(wire: reread(EdgelessApi_InstanceIdVariant(physical))) == physical)
    }

    @Test("A2: a patch round-trips, also with nil node ids", arguments: seeds)
    func patches(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let (logical, component): (LogicalID, ComponentID) = (values.id(), values.id())
        var (logicals, physicals): ([String: LogicalID], [String: PhysicalID]) = ([:], [:])
        for _ in 0..<values.count() {
            let channel = values.text()
            logicals[channel] = values.id()
            physicals[channel] = values.physical()
        }
        let message = try reread(EdgelessApi_PatchRequest(logical, mapping: logicals))
        #expect(message.outputMapping.values.allSatisfy { $0.nodeID == "00000000-0000-0000-0000-000000000000" })
        let patch = try message.domainPatch()
        #expect(patch.origin == logical && patch.mapping == logicals, "seed \(seed)")
        let nodePatch = try reread(EdgelessApi_PatchRequest(component, mapping: physicals)).nodePatch()
        #expect(nodePatch.origin == component && nodePatch.mapping == physicals, "seed \(seed)")
    }

    @Test("A2: a node update round-trips completely", arguments: seeds)
    func nodeUpdates(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        var update = values.nodeUpdate()
        if seed == 0 { update.refreshDeadline = 313_714_800 }
        #expect(try NodeUpdate(wire: reread(EdgelessApi_UpdateNodeRequest(update))) == update, "seed \(seed)")
        for refusal in [nil, values.refusal()] {
            #expect(try reread(EdgelessApi_UpdateNodeResponse(refusal)).refusal == refusal, "seed \(seed)")
        }
    }

    @Test("A2: peer updates round-trip", arguments: seeds)
    func peers(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        for update: PeerUpdate in [.add(values.id(), invocationURL: values.text()), .remove(values.id()), .clear] {
            #expect(try PeerUpdate(wire: reread(EdgelessApi_UpdatePeersRequest(update))) == update, "seed \(seed)")
        }
    }

    @Test("A2: a domain update and its answer round-trip", arguments: seeds)
    func domainUpdates(seed: UInt64) throws {
        var values = RandomValues(seed: seed)
        let update = values.domainUpdate()
        #expect(DomainUpdate(wire: try reread(EdgelessApi_UpdateDomainRequest(update))) == update, "seed \(seed)")
        for outcome: DomainUpdateOutcome in [.accepted, .reset, .refused(values.refusal())] {
            let message = try #require(EdgelessApi_UpdateDomainResponse(outcome))
            #expect(DomainUpdateOutcome(wire: try reread(message)) == outcome, "seed \(seed)")
        }
        #expect(EdgelessApi_UpdateDomainResponse(.failed("nobody")) == nil)
    }

    @Test("equal values give equal bytes, regardless of the order of sets", arguments: 0..<10 as Range<UInt64>)
    func bytes(seed: UInt64) throws {
        var (first, second) = (RandomValues(seed: seed), RandomValues(seed: seed))
        let domain: [UInt8] = try EdgelessApi_UpdateDomainRequest(first.domainUpdate()).serializedBytes()
        #expect(try EdgelessApi_UpdateDomainRequest(second.domainUpdate()).serializedBytes() == domain)
        let node: [UInt8] = try EdgelessApi_UpdateNodeRequest(first.nodeUpdate()).serializedBytes()
        #expect(try EdgelessApi_UpdateNodeRequest(second.nodeUpdate()).serializedBytes() == node)
    }
}
