extension PodCPUBinding {
    /// CPUs that a binding holds, and at which level.
    public struct Hold: Hashable, Sendable {
        /// The CPUs as Linux writes lists of them, `2-3,8`.
        public var cpus: String
        /// Which CPUs nobody else may use because of it.
        public var exclusivenessLevel: ExclusivenessLevel

        /// CPUs at a level.
        public init(cpus: String, exclusivenessLevel: ExclusivenessLevel) {
            self.cpus = cpus
            self.exclusivenessLevel = exclusivenessLevel
        }
    }

    /// What the controller asks of the node of the pod.
    public struct Claim: Hashable, Sendable {
        /// The uid of the pod.
        public var podUID: String
        /// Where the pod runs, as a list of CPUs.
        public var cpus: String
        /// Whether the CPUs, or their whole cores, sockets or NUMA nodes, are exclusive to the pod.
        public var exclusivenessLevel: ExclusivenessLevel
        /// The CPUs that nobody else may use, as a list.
        public var exclusive: String
        /// The NUMA nodes whose memory the pod uses, ascending.
        public var memoryNodes: [Int]

        /// A claim.
        public init(
            podUID: String, cpus: String, exclusivenessLevel: ExclusivenessLevel, exclusive: String,
            memoryNodes: [Int]
        ) {
            self.podUID = podUID
            self.cpus = cpus
            self.exclusivenessLevel = exclusivenessLevel
            self.exclusive = exclusive
            self.memoryNodes = memoryNodes
        }
    }

    /// What the node says of the claim.
    public struct NodeReport: Hashable, Sendable {
        /// How far the claim has come. A newer node may have further values.
        public struct State: RawRepresentable, Hashable, Sendable {
            /// As it is spelt.
            public let rawValue: String

            /// The value that is spelt so.
            public init(rawValue: String) { self.rawValue = rawValue }

            /// The node makes, changes or releases it.
            public static let claiming = State(rawValue: "Claiming")
            /// It is enforced in the containers that are listed.
            public static let enforced = State(rawValue: "Enforced")
            /// The node refuses it, and holds what it held before.
            public static let refused = State(rawValue: "Refused")
            /// The node holds nothing for the binding.
            public static let released = State(rawValue: "Released")
        }

        /// How far the claim has come.
        public var state: State
        /// The claim that this is about.
        public var claim: Claim?
        /// What the node holds where it refuses the claim.
        public var held: Claim?
        /// The ids of the containers that are confined, as in the pod's status, ascending.
        public var containers: [String]
        /// Why it is so, for people; empty where there is nothing to say.
        public var message: String

        /// A report.
        public init(
            _ state: State, claim: Claim? = nil, held: Claim? = nil, containers: [String] = [], message: String = ""
        ) {
            self.state = state
            self.claim = claim
            self.held = held
            self.containers = containers
            self.message = message
        }
    }

    /// The generation of the spec that the status is about; nil in a status that actimanager wrote.
    public var observedGeneration: Int? {
        get { number("status", "observedGeneration") }
        set { set(newValue, "status", "observedGeneration") }
    }
    /// The uid of the pod that the binding is for, once it was validated.
    public var podUID: String? {
        get { text("status", "podUID").flatMap { $0.isEmpty ? nil : $0 } }
        set { set(newValue, "status", "podUID") }
    }
    /// What the binding holds on its node. An entry with a level that this version does not know is left out.
    public var holds: [Hold] {
        get { json[["status", "holds"]]?.array?.compactMap { Hold($0) } ?? [] }
        set { set(newValue.isEmpty ? nil : .array(newValue.map(\.json)), "status", "holds") }
    }
    /// The ids of the containers that run on the CPUs, ascending.
    public var containers: [String] {
        get { texts("status", "containers") }
        set { set(newValue, "status", "containers") }
    }
    /// What the controller asks of the node; nil where it asks nothing, or something that this version does not know.
    public var claim: Claim? {
        get { json[["status", "claim"]].flatMap { Claim($0) } }
        set { set(newValue?.json, "status", "claim") }
    }
    /// What the node says of the claim; nil where it has said nothing.
    public var nodeReport: NodeReport? {
        get { json[["status", "node"]].flatMap { NodeReport($0) } }
        set { set(newValue?.json, "status", "node") }
    }

    /// The change of the subresource `status` that writes what the node says, and nothing else.
    public static func patch(reporting report: NodeReport?) -> Patch {
        var json = report?.json ?? .null
        if let report {
            // What is not set must be removed from what was there.
            if report.claim == nil { json["claim"] = .null }
            if report.held == nil { json["held"] = .null }
        }
        return .merge(["status": ["node": json]])
    }
}

extension PodCPUBinding.Hold {
    init?(_ json: JSONValue) {
        guard let cpus = json["cpus"]?.string,
            let level = json["exclusivenessLevel"]?.string.flatMap({
                PodCPUBinding.ExclusivenessLevel(rawValue: $0)
            })
        else { return nil }
        self.init(cpus: cpus, exclusivenessLevel: level)
    }

    /// As the status has it.
    public var json: JSONValue {
        ["cpus": .string(cpus), "exclusivenessLevel": .string(exclusivenessLevel.rawValue)]
    }
}

extension PodCPUBinding.Claim {
    init?(_ json: JSONValue) {
        guard let podUID = json["podUID"]?.string, let cpus = json["cpus"]?.string,
            let level = json["exclusivenessLevel"]?.string.flatMap({
                PodCPUBinding.ExclusivenessLevel(rawValue: $0)
            })
        else { return nil }
        self.init(
            podUID: podUID, cpus: cpus, exclusivenessLevel: level, exclusive: json["exclusive"]?.string ?? "",
            memoryNodes: json["memoryNodes"]?.array?.compactMap(\.integer) ?? [])
    }

    /// As the status has it.
    public var json: JSONValue {
        [
            "podUID": .string(podUID), "cpus": .string(cpus),
            "exclusivenessLevel": .string(exclusivenessLevel.rawValue), "exclusive": .string(exclusive),
            "memoryNodes": .array(memoryNodes.map { JSONValue($0) }),
        ]
    }
}

extension PodCPUBinding.NodeReport {
    init?(_ json: JSONValue) {
        guard let state = json["state"]?.string, !state.isEmpty else { return nil }
        self.init(
            State(rawValue: state), claim: json["claim"].flatMap { .init($0) },
            held: json["held"].flatMap { .init($0) },
            containers: json["containers"]?.array?.compactMap(\.string) ?? [], message: json["message"]?.string ?? "")
    }

    /// As the status has it.
    public var json: JSONValue {
        var json: JSONValue = ["state": .string(state.rawValue)]
        if let claim { json["claim"] = claim.json }
        if let held { json["held"] = held.json }
        json["containers"] = .array(containers.map { .string($0) })
        json["message"] = .string(message)
        return json
    }
}
