import Domain
import WireJSON

/// The form in which changes are stored: JSON, so that an operator can read it with the `sqlite3` program.
///
/// A record is an array of changes, each an object with one member that says what it is; `docs/domain.md` lists them. A
/// function's code is not in it but in a file of its own, named by its SHA-256.
extension DomainChange {
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch self {
            case .identity(let nonce, let counter, let sequence):
                writer.name("identity")
                writer.object { writer in
                    writer.number("nonce", nonce)
                    writer.number("counter", counter)
                    writer.number("sequence", sequence)
                }
            case .domain(let name): writer.member("domain", name)
            case .node(let record):
                writer.name("node")
                record.write(to: &writer)
            case .nodeRemoved(let id): writer.member("node_removed", "\(id)")
            case .cordon(let id, let isCordoned): writer.member(isCordoned ? "cordoned" : "uncordoned", "\(id)")
            case .departed(let id, let isDeparted): writer.member(isDeparted ? "departed" : "forgotten", "\(id)")
            case .instance(let record):
                writer.name("instance")
                record.write(to: &writer)
            case .placed(let id, let physical):
                writer.member("placed", "\(id)")
                if let physical { physical.write(to: &writer) }
            case .instanceRemoved(let id): writer.member("instance_removed", "\(id)")
            case .wiring(let origin, let row):
                writer.member("row", "\(origin)")
                writer.member("channels", row.mapValues(\.description))
            case .orphan(let physical, let kind, let isThere):
                writer.member(isThere ? "leftover" : "leftover_gone", kind.rawValue)
                physical.write(to: &writer)
            case .stopFailed(let physical):
                writer.member("stop_failed", true)
                physical.write(to: &writer)
            case .patchDue(let id, let isDue): writer.member(isDue ? "patch_due" : "patched", "\(id)")
            case .starting(let node, let isStarting):
                writer.member("starts_allowed", "\(node)")
                writer.member("count", isStarting ? 1 : 0)
            case .unknownOutcome(let node, let isThere):
                writer.member("doubts", "\(node)")
                writer.member("count", isThere ? 1 : 0)
            }
        }
    }

    /// Beyond this nothing can be counted on.
    private static let numberLimit: UInt64 = 1 << 62

    /// Reads a change.
    ///
    /// - Parameter binaries: gives the code of a digest.
    init(json: JSONValue, binaries: (String) throws(DomainRecordError) -> Binary) throws(DomainRecordError) {
        guard let first = json.members?.first else { throw DomainRecordError("a change is an object with a member") }
        switch first.name {
        case "identity":
            let (counter, sequence) = (try first.value.word("counter"), try first.value.word("sequence"))
            guard max(counter, sequence) < Self.numberLimit else {
                throw DomainRecordError("a counter or sequence that nothing can have counted")
            }
            self = .identity(nonce: try first.value.word("nonce"), counter: counter, sequence: sequence)
        case "domain":
            guard let name = first.value.string else { throw DomainRecordError("a domain without a name") }
            self = .domain(name)
        case "node": self = .node(try NodeRecord(json: first.value))
        case "node_removed": self = .nodeRemoved(try first.value.identifier())
        case "cordoned", "uncordoned": self = .cordon(try first.value.identifier(), first.name == "cordoned")
        case "departed", "forgotten": self = .departed(try first.value.identifier(), first.name == "departed")
        case "instance": self = .instance(try InstanceRecord(json: first.value, binaries: binaries))
        case "placed": self = .placed(try first.value.identifier(), try PhysicalID(json: json))
        case "instance_removed": self = .instanceRemoved(try first.value.identifier())
        case "row":
            var row: [String: LogicalID] = [:]
            for (channel, target) in try json.texts("channels") {
                guard let id = LogicalID(target) else { throw DomainRecordError("\(target) is no identifier") }
                row[channel] = id
            }
            self = .wiring(try first.value.identifier(), row)
        case "leftover", "leftover_gone":
            guard let kind = first.value.string.flatMap(ComponentKind.init), let physical = try PhysicalID(json: json)
            else { throw DomainRecordError("a leftover without kind, node or component") }
            self = .orphan(physical, kind, first.name == "leftover")
        case "stop_failed":
            guard let physical = try PhysicalID(json: json) else {
                throw DomainRecordError("a failed stop without node or component")
            }
            self = .stopFailed(physical)
        case "patch_due", "patched": self = .patchDue(try first.value.identifier(), first.name == "patch_due")
        case "starts_allowed", "doubts":
            guard let count = json["count"]?.integer, count >= 0 else {
                throw DomainRecordError("\(first.name) without a count")
            }
            let node: NodeID = try first.value.identifier()
            // Version 0.1 counted.
            self = first.name == "doubts" ? .unknownOutcome(node, count > 0) : .starting(node, count > 0)
        default: throw DomainRecordError("\(first.name) is no kind of change")
        }
    }
}

/// What is wrong with a record of the store.
struct DomainRecordError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension PhysicalID {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.member("node", "\(node)")
        writer.member("component", "\(component)")
    }

    /// Nil where there is neither of its members.
    fileprivate init?(json: JSONValue) throws(DomainRecordError) {
        guard json["node"] != nil || json["component"] != nil else { return nil }
        self.init(node: try json["node"].identifier(), component: try json["component"].identifier())
    }
}

extension InstanceRecord {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", "\(id)")
            writer.number("created", created)
            if let physical { physical.write(to: &writer) }
            switch specification {
            case .function(let function):
                writer.name("function")
                function.write(to: &writer)
            case .resource(let resource):
                writer.name("resource")
                writer.object { writer in
                    writer.member("class_type", resource.classType)
                    writer.member("configuration", resource.configuration)
                    writer.member("workflow_id", resource.workflowID)
                }
            }
        }
    }

    fileprivate init(
        json: JSONValue, binaries: (String) throws(DomainRecordError) -> Binary
    ) throws(DomainRecordError) {
        let specification: Specification
        if let function = json["function"] {
            specification = .function(try FunctionSpecification(json: function, binaries: binaries))
        } else if let resource = json["resource"] {
            specification = .resource(
                ResourceSpecification(
                    classType: try resource.text("class_type"), configuration: try resource.texts("configuration"),
                    workflowID: try resource.text("workflow_id")))
        } else {
            throw DomainRecordError("an instance that is neither function nor resource")
        }
        self.init(
            id: try json["id"].identifier(), specification: specification, created: try json.word("created"),
            physical: try PhysicalID(json: json))
    }
}

extension FunctionSpecification {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", functionClass.id)
            writer.member("function_type", functionClass.runtime)
            writer.member("version", functionClass.version)
            if let binary = functionClass.binary { writer.member("binary", binary.digest) }
            if let code = functionClass.code { writer.member("code", code) }
            writer.member("outputs", functionClass.outputs)
            writer.member("annotations", annotations)
            writer.member("state_id", "\(stateID)")
            writer.member("state_policy", statePolicy.rawValue)
            writer.member("workflow_id", workflowID)
        }
    }

    fileprivate init(
        json: JSONValue, binaries: (String) throws(DomainRecordError) -> Binary
    ) throws(DomainRecordError) {
        guard let policy = json["state_policy"]?.integer.flatMap(StatePolicy.init) else {
            throw DomainRecordError("a function without state_policy")
        }
        var binary: Binary?
        if let digest = json["binary"]?.string { binary = try binaries(digest) }
        self.init(
            functionClass: FunctionClass(
                id: try json.text("id"), runtime: try json.text("function_type"), version: try json.text("version"),
                binary: binary, code: json["code"]?.string, outputs: try json.list("outputs")),
            annotations: try json.texts("annotations"), stateID: try json["state_id"].identifier(),
            statePolicy: policy, workflowID: try json.text("workflow_id"))
    }
}
