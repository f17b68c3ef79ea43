/// A node of the cluster.
public struct Node: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "", version: "v1", kind: "Node", plural: "nodes", isNamespaced: false)

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// An address of a node.
    public struct Address: JSONView {
        /// All of it, as JSON.
        public var json: JSONValue

        /// A view of this JSON.
        public init(json: JSONValue) { self.json = json }

        /// What kind of address: `InternalIP`, `Hostname`.
        public var type: String { text("type") ?? "" }
        /// The address.
        public var address: String { text("address") ?? "" }
    }

    /// Its addresses.
    public var addresses: [Address] { list("status", "addresses") }
    /// Its first address within the cluster.
    public var internalIP: String? { addresses.first { $0.type == "InternalIP" }?.address }
    /// Its conditions.
    public var conditions: [Condition] { list("status", "conditions") }
    /// Whether it takes pods.
    public var isReady: Bool { conditions.contains { $0.type == "Ready" && $0.isTrue == true } }
    /// Whether no new pods are to be put on it.
    public var isUnschedulable: Bool { flag("spec", "unschedulable") }
    /// What it has, by resource.
    public var capacity: [String: Quantity] { quantities("status", "capacity") }
    /// What it has for pods, by resource.
    public var allocatable: [String: Quantity] { quantities("status", "allocatable") }
}
