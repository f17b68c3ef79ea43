/// A pod.
public struct Pod: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "", version: "v1", kind: "Pod", plural: "pods", isNamespaced: true)

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// Where a pod is in its life. A newer server may have further phases.
    public struct Phase: RawRepresentable, Hashable, Sendable {
        /// As it is spelt.
        public let rawValue: String

        /// The value that is spelt so.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// Not all of its containers have been made.
        public static let pending = Phase(rawValue: "Pending")
        /// A container runs, starts or restarts.
        public static let running = Phase(rawValue: "Running")
        /// All containers have ended well.
        public static let succeeded = Phase(rawValue: "Succeeded")
        /// All containers have ended, one of them badly.
        public static let failed = Phase(rawValue: "Failed")
        /// The node does not answer.
        public static let unknown = Phase(rawValue: "Unknown")
    }

    /// The node that it is bound to; nil for a pod that is not scheduled yet.
    public var nodeName: String? {
        get { text("spec", "nodeName").flatMap { $0.isEmpty ? nil : $0 } }
        set { set(newValue, "spec", "nodeName") }
    }
    /// The scheduler that is to choose its node.
    public var schedulerName: String? {
        get { text("spec", "schedulerName") }
        set { set(newValue, "spec", "schedulerName") }
    }
    /// Its containers.
    public var containers: [Container] {
        get { list("spec", "containers") }
        set { set(newValue, "spec", "containers") }
    }
    /// The containers that run before the others, sidecars among them.
    public var initContainers: [Container] {
        get { list("spec", "initContainers") }
        set { set(newValue, "spec", "initContainers") }
    }
    /// The containers that were added for debugging.
    public var ephemeralContainers: [Container] { list("spec", "ephemeralContainers") }
    /// What the pod itself takes besides its containers.
    public var overhead: [String: Quantity] { quantities("spec", "overhead") }
    /// What the pod takes as a whole, where it says so itself, by resource.
    public var requests: [String: Quantity] { quantities("spec", "resources", "requests") }
    /// What the pod may use at most as a whole, where it says so itself, by resource.
    public var limits: [String: Quantity] { quantities("spec", "resources", "limits") }
    /// Whether it was made by its node from a file (a static pod), and is only shown by the server.
    public var isMirror: Bool { metadata.annotations["kubernetes.io/config.mirror"] != nil }
    /// The uid in the names of the pod's cgroups. Of a static pod that is not the server's, but 32 hexadecimal digits; an
    /// annotation of another form, which could name the pod of somebody else, does not count.
    public var cgroupUID: String {
        guard isMirror, let hash = metadata.annotations["kubernetes.io/config.hash"], hash.utf8.count == 32,
            hash.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return metadata.uid }
        return hash
    }
    /// Whether it uses the network of its node.
    public var usesHostNetwork: Bool { flag("spec", "hostNetwork") }

    /// Where it is in its life; nil before the server has said so.
    public var phase: Phase? { text("status", "phase").map { Phase(rawValue: $0) } }
    /// Whether no container runs any more, nor will again.
    public var isFinished: Bool { phase == .succeeded || phase == .failed }
    /// Its quality of service: `Guaranteed`, `Burstable`, `BestEffort`.
    public var qosClass: String? { text("status", "qosClass") }
    /// Its address.
    public var podIP: String? { text("status", "podIP") }
    /// Its conditions.
    public var conditions: [Condition] { list("status", "conditions") }
    /// Whether it is ready to serve.
    public var isReady: Bool { conditions.contains { $0.type == "Ready" && $0.isTrue == true } }
    /// What is known of its containers.
    public var containerStatuses: [ContainerStatus] { list("status", "containerStatuses") }
    /// What is known of its init containers.
    public var initContainerStatuses: [ContainerStatus] { list("status", "initContainerStatuses") }
    /// What is known of its ephemeral containers.
    public var ephemeralContainerStatuses: [ContainerStatus] { list("status", "ephemeralContainerStatuses") }
}

/// A container of a pod, as it is to be.
public struct Container: JSONView {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// A container.
    public init(name: String, image: String) { json = ["name": .string(name), "image": .string(image)] }

    /// Its name, of which its pod has one.
    public var name: String { text("name") ?? "" }
    /// Its image.
    public var image: String? { text("image") }
    /// What it is sure to get, by resource: `cpu`, `memory`.
    public var requests: [String: Quantity] { quantities("resources", "requests") }
    /// What it may use at most, by resource.
    public var limits: [String: Quantity] { quantities("resources", "limits") }
    /// `Always` for an init container that is a sidecar.
    public var restartPolicy: String? { text("restartPolicy") }
    /// Whether it is an init container that runs beside the others.
    public var isSidecar: Bool { restartPolicy == "Always" }
}

/// What is known of a container of a pod.
public struct ContainerStatus: JSONView {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// The container's name.
    public var name: String { text("name") ?? "" }
    /// The runtime and the runtime's name for it, `containerd://0123…`; nil before there is one.
    public var containerID: String? { text("containerID").flatMap { $0.isEmpty ? nil : $0 } }
    /// Whether it is ready to serve.
    public var isReady: Bool { flag("ready") }
    /// Whether it has started; nil where that is unknown.
    public var hasStarted: Bool? { json["started"]?.boolean }
    /// How often it was started again.
    public var restartCount: Int { number("restartCount") ?? 0 }
    /// Whether it runs.
    public var isRunning: Bool { json["state"]?["running"]?.members != nil }
    /// Whether it has ended.
    public var isTerminated: Bool { json["state"]?["terminated"]?.members != nil }
}
