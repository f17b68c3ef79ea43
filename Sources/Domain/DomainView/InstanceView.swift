import Domain
import WireJSON

/// A function or resource in the mirror.
package struct InstanceView: Sendable {
    /// Its logical id.
    package let id: LogicalID
    /// Its kind.
    package let kind: ComponentKind
    /// The class of the function or of the resource.
    package let className: String
    /// The workflow that it belongs to.
    package let workflowID: String
    /// Where it runs; empty while it waits for a node.
    package let physical: [PhysicalID]
    /// The request, without the code.
    package let request: JSONValue

    init(_ id: LogicalID, _ object: MirrorObject) throws(ReadingError) {
        self.id = id
        let parts: [JSONValue]?
        if let function = object.document["Function"] {
            (kind, parts) = (.function, function.array)
        } else if let resource = object.document["Resource"] {
            (kind, parts) = (.resource, resource.array)
        } else {
            throw ReadingError("neither Function nor Resource")
        }
        guard let parts, parts.count == 2 else { throw ReadingError("not a pair of a request and a placement") }
        let request = try MirrorObject(parts[0])
        self.request = parts[0]
        workflowID = try request.text("workflow_id")
        className =
            switch kind {
            case .resource: try request.text("class_type")
            case .function where request.document["spec"] != nil: try request.object("spec").text("id")
            case .function: try request.object("code").text("function_class_id")
            }
        var physical: [PhysicalID] = []
        for text in parts[1].array ?? [parts[1]] {
            guard let place = text.string.flatMap({ PhysicalID(mirror: $0) }) else {
                throw ReadingError("no InstanceId(node_id: …, function_id: …) as the placement")
            }
            if place != .none { physical.append(place) }
        }
        self.physical = physical
    }
}

extension PhysicalID {
    /// Parses `InstanceId(node_id: …, function_id: …)`; nil for any other form.
    package init?(mirror text: String) {
        let words = text.split(separator: " ")
        guard words.count == 4, words[0] == "InstanceId(node_id:", words[2] == "function_id:", words[1].last == ",",
            words[3].last == ")", let node = NodeID(String(words[1].dropLast())),
            let component = ComponentID(String(words[3].dropLast()))
        else { return nil }
        self.init(node: node, component: component)
    }
}
