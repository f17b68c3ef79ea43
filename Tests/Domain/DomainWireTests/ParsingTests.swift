import Domain
import DomainWire
import FoundationEssentials
import SwiftProtobuf
import TestSupport
import Testing

/// Domain specification, section 1.3.
@Suite struct ParsingTests {
    private let id = "5a8c7d1e-0f3b-4c29-9e6d-2b1a40c8f7e3"
    private let other = "00000000-0000-4000-8000-00000000002a"

    @Test("rule 1: a UUID of any form is accepted, and sent in lower case with hyphens")
    func identifiers() throws {
        for text in [
            "5A8C7D1E-0F3B-4C29-9E6D-2B1A40C8F7E3", "5a8c7d1e0f3b4c299e6d2b1a40c8f7e3", "{\(id)}", "urn:uuid:\(id)",
        ] {
            var message = EdgelessApi_InstanceIdVariant()
            message.domainManagedInstanceID.instanceID = text
            let logical = try LogicalID(wire: message)
            #expect(EdgelessApi_InstanceIdVariant(logical).domainManagedInstanceID.instanceID == id)
        }
    }

    @Test("rule 2: an error names the missing part of a function request")
    func functionParts() {
        func reason(_ change: (inout EdgelessApi_SpawnFunctionRequest) -> Void) -> String? {
            var message = EdgelessApi_SpawnFunctionRequest()
            message.code = EdgelessApi_FunctionClassSpecification()
            message.stateSpecification.stateID = id
            change(&message)
            do throws(WireError) {
                _ = try FunctionSpecification(wire: message, binaries: BinaryInterner())
                return nil
            } catch {
                return error.reason
            }
        }
        #expect(reason { _ in } == nil)
        #expect(reason { $0.clearCode() } == "code is missing: the function to start")
        #expect(reason { $0.clearStateSpecification() }?.hasPrefix("state_specification is missing") == true)
        #expect(reason { $0.stateSpecification.stateID = "" } == "state_id is missing: expected a UUID")
        #expect(reason { $0.stateSpecification.stateID = "x\n" }?.hasPrefix(#"state_id: "x\n" is not a UUID"#) == true)
    }

    @Test("too much text is refused with its name; code may be larger")
    func textLimit() throws {
        let large = String(repeating: "x", count: 4 << 20)
        func reason(_ body: () throws(WireError) -> Void) -> String? {
            do throws(WireError) {
                try body()
                return nil
            } catch { return error.reason }
        }
        var function = EdgelessApi_SpawnFunctionRequest()
        function.code.binary = Data(count: 5 << 20)
        function.stateSpecification.stateID = id
        let binaries = BinaryInterner()
        #expect(
            reason { () throws(WireError) in _ = try FunctionSpecification(wire: function, binaries: binaries) } == nil)
        for change in [
            { $0.annotations["init-payload"] = large }, { $0.code.code = large }, { $0.code.outputs = [large] },
            { $0.annotations = Dictionary(uniqueKeysWithValues: (0..<100_000).map { ("\($0)", "") }) },
        ] as [(inout EdgelessApi_SpawnFunctionRequest) -> Void] {
            var message = function
            change(&message)
            let text = reason { () throws(WireError) in _ = try FunctionSpecification(wire: message, binaries: binaries)
            }
            #expect(
                text?.hasPrefix("code and annotations: ") == true
                    && text?.contains("the limit for one request is") == true)
        }
        var resource = EdgelessApi_ResourceInstanceSpecification()
        resource.configuration = [large: ""]
        #expect(
            reason { () throws(WireError) in _ = try ResourceSpecification(wire: resource) }?.hasPrefix(
                "configuration: ")
                == true)
        var patch = EdgelessApi_PatchRequest()
        patch.functionID = id
        patch.outputMapping = [large: EdgelessApi_InstanceId()]
        #expect(reason { () throws(WireError) in _ = try patch.domainPatch() }?.hasPrefix("output_mapping: ") == true)
        var update = EdgelessApi_UpdateNodeRequest()
        update.nodeID = id
        update.capabilities.labels = [large]
        #expect(reason { () throws(WireError) in _ = try NodeUpdate(wire: update) }?.contains("capabilities: ") == true)
    }

    @Test("rule 2: an unknown policy is transient, empty code is no code")
    func functionDefaults() throws {
        var message = EdgelessApi_SpawnFunctionRequest()
        message.code.functionType = "RUST_WASM"
        message.stateSpecification.stateID = id
        message.stateSpecification.policy = .UNRECOGNIZED(7)
        let function = try FunctionSpecification(wire: message, binaries: BinaryInterner())
        #expect(function.statePolicy == .transient)
        #expect(function.functionClass.binary == nil && function.functionClass.code == nil)
        let again = EdgelessApi_SpawnFunctionRequest(function)
        #expect(again.code.binary.isEmpty && again.code.code.isEmpty && again.hasCode && again.hasStateSpecification)
    }

    @Test("equal code shares one buffer within the memory limit")
    func interning() throws {
        let binaries = BinaryInterner(limit: 10)
        let first = binaries.binary(.init("abc".utf8))
        #expect(first.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let second = binaries.binary(.init("abc".utf8))
        func address(_ binary: Binary) -> UnsafeRawPointer? { binary.bytes.withUnsafeBytes { $0.baseAddress } }
        #expect(address(first) == address(second) && binaries.bytes == 3)

        _ = binaries.binary(.init("12345678901".utf8))
        #expect(binaries.bytes == 3, "what is larger than the memory is not remembered")
        _ = binaries.binary(.init("1234567".utf8))
        _ = binaries.binary(.init("abc".utf8))
        _ = binaries.binary(.init("x".utf8))
        #expect(binaries.bytes == 4, "the one that was not seen for longest is forgotten")
        #expect(address(binaries.binary(.init("abc".utf8))) == address(first))
    }

    @Test("rule 3: a domain only accepts logical ids for a Stop, a node only physical ids")
    func variants() throws {
        let logical = EdgelessApi_InstanceIdVariant(try #require(LogicalID(id)))
        let physical = EdgelessApi_InstanceIdVariant(
            PhysicalID(node: try #require(NodeID(id)), component: try #require(ComponentID(other))))
        #expect(throws: WireError.self) { try LogicalID(wire: physical) }
        #expect(throws: WireError.self) { try PhysicalID(wire: logical) }
        #expect(throws: WireError("the instance id is missing: expected a domain_managed_instance_id")) {
            try LogicalID(wire: EdgelessApi_InstanceIdVariant())
        }
        var malformed = physical
        malformed.instanceID.nodeID = "n1"
        #expect(throws: WireError.self) { try PhysicalID(wire: malformed) }
    }

    @Test("rule 4: entries with a malformed id are dropped; the origin must be a UUID")
    func patchEntries() throws {
        var message = EdgelessApi_PatchRequest()
        message.functionID = id
        for (channel, node, function) in [
            ("good", other, id), ("node", "n1", id), ("function", other, "f"), ("both", "", ""),
            ("nil", "00000000-0000-0000-0000-000000000000", other),
        ] {
            message.outputMapping[channel] = .with {
                $0.nodeID = node
                $0.functionID = function
            }
        }
        #expect(try message.domainPatch().mapping.keys.sorted() == ["good", "nil"])
        #expect(try message.nodePatch().mapping.keys.sorted() == ["good", "nil"])
        message.functionID = "f"
        #expect(throws: WireError.self) { try message.domainPatch() }
    }

    @Test("rule 5: an id takes precedence over an error; an answer with neither is invalid")
    func answers() throws {
        var message = EdgelessApi_StartComponentResponse()
        #expect(throws: WireError("the answer has neither an instance_id nor a response_error")) {
            try message.nodeAnswer()
        }
        message.responseError.summary = "no"
        #expect(try message.nodeAnswer() == .failure(DomainRefusal("no")))
        message.responseError.detail = ""
        #expect(try message.nodeAnswer() == .failure(DomainRefusal("no", detail: "")))
        let started = PhysicalID(node: try #require(NodeID(id)), component: try #require(ComponentID(other)))
        message.instanceID = EdgelessApi_InstanceIdVariant(started)
        #expect(try message.nodeAnswer() == .success(started))
        #expect(throws: WireError.self) { try message.domainAnswer() }
    }

    @Test("rule 6: a node needs an id, and its providers names and classes; the rest is optional")
    func nodes() throws {
        var message = EdgelessApi_UpdateNodeRequest()
        #expect(throws: WireError("node_id is missing: expected a UUID")) { try NodeUpdate(wire: message) }
        message.nodeID = id
        let update = try NodeUpdate(wire: message)
        #expect(update.description.capabilities == NodeCapabilities() && update.health == NodeHealth())
        #expect(update.samples == PerformanceSamples())

        message.resourceProviders = [.with { $0.classType = "redis" }]
        #expect(throws: WireError("resource_providers[0].provider_id is empty: each provider needs a name")) {
            try NodeUpdate(wire: message)
        }
        message.resourceProviders = [.with { $0.providerID = "p" }]
        #expect(throws: WireError("resource_providers[0].class_type is empty: each provider needs a class")) {
            try NodeUpdate(wire: message)
        }
    }

    @Test("rule 6: samples without a component are dropped; of duplicates the last counts")
    func samples() throws {
        func samples(_ id: String, _ value: Double) -> EdgelessApi_Samples {
            .with {
                $0.id = id
                $0.samples = [.with { $0.sample = value }]
            }
        }
        var message = EdgelessApi_UpdateNodeRequest()
        message.nodeID = id
        message.performanceSamples.functionExecutionTimes = [samples(id, 1), samples("f", 2), samples(id, 3)]
        message.performanceSamples.functionLogEntries = [.with { $0.id = "f" }]
        let read = try NodeUpdate(wire: message).samples
        let component = try #require(ComponentID(id))
        #expect(read.samples == [.execution: [component: [Sample(seconds: 0, nanoseconds: 0, value: 3)]]])
        #expect(read.logEntries.isEmpty)
    }

    @Test("rule 7: an error takes precedence over a reset")
    func domainAnswers() {
        var message = EdgelessApi_UpdateDomainResponse()
        #expect(DomainUpdateOutcome(wire: message) == .accepted)
        message.reset = true
        #expect(DomainUpdateOutcome(wire: message) == .reset)
        message.responseError.summary = "Empty domain identifier"
        #expect(DomainUpdateOutcome(wire: message) == .refused(DomainRefusal("Empty domain identifier")))
    }

    @Test("a peer update requires the fields of its kind")
    func peers() {
        var message = EdgelessApi_UpdatePeersRequest()
        #expect(throws: WireError.self) { try PeerUpdate(wire: message) }
        message.nodeID = id
        #expect(throws: WireError("invocation_url is missing")) { try PeerUpdate(wire: message) }
        message.requestType = .UNRECOGNIZED(3)
        #expect(throws: WireError("request_type: 3 is not one of 0, 1, 2")) { try PeerUpdate(wire: message) }
    }
}
