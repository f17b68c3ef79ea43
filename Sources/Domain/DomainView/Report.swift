import Domain
import Terminal
import WireJSON

/// The output of a command: text lines, or JSON.
package struct Report: Sendable {
    /// The lines, without line ends.
    package let lines: [String]
    /// One JSON document.
    package let json: [UInt8]

    init(_ lines: [String], _ body: (inout JSONWriter) -> Void) {
        self.lines = lines
        json = JSONWriter.object(body)
    }

    /// Creates a list: a line and a JSON object for each item.
    init<Item>(
        _ name: String, _ items: [Item], line: (Item) -> String,
        members: (Item, inout JSONWriter) -> Void
    ) {
        self.init(items.map(line)) { writer in
            writer.name(name)
            writer.array { array in for item in items { array.object { members(item, &$0) } } }
        }
    }
}

extension DomainView {
    private func sorted(_ kind: ComponentKind) -> [InstanceView] { sorted.filter { $0.kind == kind } }

    private var sorted: [InstanceView] { instances.values.sorted { $0.id < $1.id } }

    /// `show functions`: the nodes of each function.
    package var functions: Report {
        Report("functions", sorted(.function)) { instance in
            "\(label(of: instance)) -> \(Self.list(instance.physical.map(\.node.description)))"
        } members: { instance, writer in
            writer.member("id", instance.id.description)
            writer.member("class", instance.className)
            writer.member("nodes", instance.physical.map(\.node.description))
        }
    }

    /// `show resources`: the node of each resource.
    package func resources(_ naming: NodeNaming) -> Report {
        Report("resources", sorted(.resource)) { instance in
            "\(label(of: instance)) -> \(Self.list(instance.physical.map { name(of: $0.node, naming) }))"
        } members: { instance, writer in
            writer.member("id", instance.id.description)
            writer.member("class", instance.className)
            writer.name("node")
            if let node = instance.physical.first?.node { writer.string(node.description) } else { writer.null() }
        }
    }

    /// `show logical-to-physical`: the component ids of each instance.
    package var logicalToPhysical: Report {
        Report("instances", sorted) { instance in
            "\(label(of: instance)) -> \(Self.list(instance.physical.map(\.component.description)))"
        } members: { instance, writer in
            writer.member("id", instance.id.description)
            writer.member("class", instance.className)
            writer.member("kind", instance.kind.rawValue)
            writer.member("physical", instance.physical.map(\.component.description))
        }
    }

    /// `show logical-to-workflow`: the workflow of each instance.
    package var logicalToWorkflow: Report {
        Report("instances", sorted) { instance in
            "\(label(of: instance)) -> \(Printable.text(instance.workflowID))"
        } members: { instance, writer in
            writer.member("id", instance.id.description)
            writer.member("class", instance.className)
            writer.member("kind", instance.kind.rawValue)
            writer.member("workflow", instance.workflowID)
        }
    }

    /// `show dependencies`: the wiring of each instance.
    package var dependencies: Report {
        Report("dependencies", wirings.sorted { $0.key < $1.key }) { origin, wiring in
            let targets = wiring.sorted { $0.key < $1.key }.map { "\(Printable.name($0.key)): \($0.value)" }
            return "\(label(of: origin)) -> \(targets.isEmpty ? "-" : targets.joined(separator: ", "))"
        } members: { item, writer in
            writer.member("id", item.key.description)
            writer.member("outputs", item.value.mapValues(\.description))
        }
    }

    /// The id of an instance and, if wanted, its class.
    func label(of instance: InstanceView) -> String {
        showsClasses ? "\(instance.id) (\(Printable.text(instance.className)))" : "\(instance.id)"
    }

    private func label(of id: LogicalID) -> String { instances[id].map(label) ?? "\(id)" }

    /// The texts, separated by commas; `-` for an empty list.
    static func list(_ texts: [String]) -> String { texts.isEmpty ? "-" : texts.joined(separator: ",") }
}
