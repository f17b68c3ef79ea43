/// Which CPUs a pod runs on.
public struct PodCPUBinding: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "cslab.ece.ntua.gr", version: "v1alpha1", kind: "PodCPUBinding", plural: "podcpubindings",
        isNamespaced: true)

    /// The finalizer by which a binding waits until its pod is not confined any more.
    public static let finalizer = "cslab.ece.ntua.gr/pod-cpu-binding-finalizer"

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// Which CPUs nobody else may use because of the binding.
    public enum ExclusivenessLevel: String, CaseIterable, Sendable {
        /// None: the CPUs are shared.
        case none = "None"
        /// Those of the binding.
        case cpu = "CPU"
        /// All of their cores.
        case core = "Core"
        /// All of their sockets.
        case socket = "Socket"
        /// All of their NUMA nodes.
        case numa = "NUMA"
    }

    /// How far the binding has come. A newer server may have further values.
    public struct ResourceStatus: RawRepresentable, Hashable, Sendable {
        /// As it is spelt.
        public let rawValue: String

        /// The value that is spelt so.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// The pod runs on its CPUs.
        public static let applied = ResourceStatus(rawValue: "Applied")
        /// It is still to be looked at.
        public static let pending = ResourceStatus(rawValue: "Pending")
        /// There is no such pod.
        public static let podNotFound = ResourceStatus(rawValue: "PodNotFound")
        /// The node has no such CPUs.
        public static let invalidCPUSet = ResourceStatus(rawValue: "InvalidCPUSet")
        /// The kernel, or the node, refuses.
        public static let failed = ResourceStatus(rawValue: "Failed")
        /// Somebody else has the CPUs.
        public static let cpuSetAllocationFailed = ResourceStatus(rawValue: "CPUSetAllocationFailed")
        /// The CPUs are the pod's; the node is still to carry that out.
        public static let validated = ResourceStatus(rawValue: "Validated")

        /// Whether the binding has its CPUs.
        public var holdsCPUs: Bool { self == .applied || self == .validated }
    }

    /// The pod, in the binding's namespace.
    public var podName: String {
        get { text("spec", "podName") ?? "" }
        set { set(newValue, "spec", "podName") }
    }

    /// The logical CPUs, as they were written: any number, in any order, the same one twice. An entry without a number is left out.
    public var cpuSet: [Int] {
        get { json[["spec", "cpuSet"]]?.array?.compactMap { $0["cpuID"]?.integer } ?? [] }
        set { set(.array(newValue.map { ["cpuID": JSONValue($0)] }), "spec", "cpuSet") }
    }

    /// Which CPUs nobody else may use; nil for a level that this version does not know.
    public var exclusivenessLevel: ExclusivenessLevel? {
        get { text("spec", "exclusivenessLevel").flatMap { ExclusivenessLevel(rawValue: $0) } }
        set { set(newValue?.rawValue, "spec", "exclusivenessLevel") }
    }

    /// How far it has come; nil before anybody has said so.
    public var resourceStatus: ResourceStatus? {
        get { text("status", "resourceStatus").flatMap { $0.isEmpty ? nil : ResourceStatus(rawValue: $0) } }
        set { set(newValue?.rawValue, "status", "resourceStatus") }
    }
    /// The pod's node; empty where it has none.
    public var nodeName: String {
        get { text("status", "nodeName") ?? "" }
        set { set(newValue, "status", "nodeName") }
    }
    /// Its conditions.
    public var conditions: [Condition] {
        get { list("status", "conditions") }
        set { set(newValue, "status", "conditions") }
    }
}
