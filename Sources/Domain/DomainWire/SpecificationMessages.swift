import Domain
import FoundationEssentials

extension FunctionSpecification {
    /// Parses a request to start a function (domain specification, section 1.3, rule 2).
    ///
    /// - Throws: ``WireError`` if a required part is missing or not a UUID, or there is too much text.
    package init(
        wire: EdgelessApi_SpawnFunctionRequest, binaries: BinaryInterner
    ) throws(WireError) {
        guard wire.hasCode else { throw WireError("code is missing: the function to start") }
        guard wire.hasStateSpecification else {
            throw WireError("state_specification is missing: the state of the function")
        }
        try TextLimit.check(
            "code and annotations",
            [wire.code.id, wire.code.functionType, wire.code.version, wire.code.code, wire.workflowID],
            wire.code.outputs,
            wire.annotations.texts)
        let stateID = try StateID(wire: wire.stateSpecification.stateID, "state_id")
        self.init(
            functionClass: FunctionClass(wire: wire.code, binaries: binaries), annotations: wire.annotations,
            stateID: stateID, statePolicy: StatePolicy(wire: wire.stateSpecification.policy),
            workflowID: wire.workflowID)
    }
}

extension FunctionClass {
    fileprivate init(wire: EdgelessApi_FunctionClassSpecification, binaries: BinaryInterner) {
        self.init(
            id: wire.id, runtime: wire.functionType, version: wire.version,
            binary: wire.binary.isEmpty ? nil : binaries.binary(wire.binary),
            code: wire.code.isEmpty ? nil : wire.code, outputs: wire.outputs)
    }
}

extension StatePolicy {
    /// An unknown policy counts as transient.
    fileprivate init(wire: EdgelessApi_StatePolicy) {
        switch wire {
        case .nodeLocal: self = .nodeLocal
        case .global: self = .global
        case .transient, .UNRECOGNIZED: self = .transient
        }
    }
}

extension EdgelessApi_SpawnFunctionRequest {
    /// Creates the request to start a function.
    package init(_ specification: FunctionSpecification) {
        self.init()
        code.id = specification.functionClass.id
        code.functionType = specification.functionClass.runtime
        code.version = specification.functionClass.version
        if let binary = specification.functionClass.binary { code.binary = Data(binary.bytes) }
        code.code = specification.functionClass.code ?? ""
        code.outputs = specification.functionClass.outputs
        annotations = specification.annotations
        stateSpecification.stateID = specification.stateID.description
        stateSpecification.policy =
            switch specification.statePolicy {
            case .transient: .transient
            case .nodeLocal: .nodeLocal
            case .global: .global
            }
        workflowID = specification.workflowID
    }
}

extension ResourceSpecification {
    /// Parses a request to start a resource.
    ///
    /// - Throws: ``WireError`` if there is too much text.
    package init(wire: EdgelessApi_ResourceInstanceSpecification) throws(WireError) {
        try TextLimit.check(
            "configuration", [wire.resourceClassType, wire.workflowID], wire.configuration.texts)
        self.init(
            classType: wire.resourceClassType, configuration: wire.configuration, workflowID: wire.workflowID)
    }
}

extension EdgelessApi_ResourceInstanceSpecification {
    /// Creates the request to start a resource.
    package init(_ specification: ResourceSpecification) {
        self.init()
        resourceClassType = specification.classType
        configuration = specification.configuration
        workflowID = specification.workflowID
    }
}
