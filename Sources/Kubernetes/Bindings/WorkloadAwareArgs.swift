import WireJSON

/// The arguments of the scheduler's plugin `WorkloadAware`.
package struct WorkloadAwareArgs: Sendable, Equatable {
    /// How nodes are scored, and CPUs chosen.
    package enum Policy: String, Sendable, Hashable, CaseIterable {
        /// The node with the fewest free CPUs first.
        case maximumUtilization = "MaximumUtilization"
        /// The node with the most free CPUs first.
        case balanced = "Balanced"
        /// As ``balanced``, and what each family promises is kept: whole idle cores, one socket, an even spread. Ours.
        case promise = "Promise"
    }

    /// What may be switched on.
    package enum Feature: String, Sendable, Hashable, CaseIterable {
        /// Pods get cores that nobody else uses any part of.
        case physicalCores = "PhysicalCores"
        /// Memory-bound pods get sockets that nobody else uses any part of.
        case memoryBoundExclusiveSockets = "MemoryBoundExclusiveSockets"
        /// Best-effort pods share their CPUs.
        case bestEffortSharedCPUs = "BestEffortSharedCPUs"
    }

    /// The policy.
    package var policy: Policy
    /// The features that are on.
    package var features: Set<Feature>

    /// Arguments; without a policy `MaximumUtilization`.
    package init(policy: Policy = .maximumUtilization, features: Set<Feature> = []) {
        self.policy = policy
        self.features = features
    }

    /// Reads the document of kind `WorkloadAwareArgs`, or the `args` of a plugin configuration.
    ///
    /// - Throws: ``WorkloadAwareArgsError``, which names the member and what would be right.
    package init(_ document: JSONValue) throws(WorkloadAwareArgsError) {
        self.init()
        guard let members = document.members else { throw .notAnObject }
        for member in members {
            switch member.name {
            case "apiVersion": try Self.check(member, is: "kubescheduler.config.k8s.io/v1")
            case "kind": try Self.check(member, is: "WorkloadAwareArgs")
            case "policy": policy = try Self.policy(member.value)
            case "features": features = try Self.features(member.value)
            default: throw .unknownMember(member.name)
            }
        }
    }

    private static func check(_ member: JSONValue.Member, is text: String) throws(WorkloadAwareArgsError) {
        guard member.value.string == text else { throw .unsupported(member.name, expected: text) }
    }

    private static func policy(_ value: JSONValue) throws(WorkloadAwareArgsError) -> Policy {
        if case .null = value { return .maximumUtilization }
        guard let text = value.string else { throw .notText("policy") }
        if text.isEmpty { return .maximumUtilization }
        guard let policy = Policy(rawValue: text) else { throw .invalidPolicy(text) }
        return policy
    }

    private static func features(_ value: JSONValue) throws(WorkloadAwareArgsError) -> Set<Feature> {
        if case .null = value { return [] }
        guard let elements = value.array else { throw .notAList("features") }
        var features: Set<Feature> = []
        for (index, element) in elements.enumerated() {
            guard let text = element.string else { throw .notText("features[\(index)]") }
            guard let feature = Feature(rawValue: text) else { throw .invalidFeature(index, text) }
            features.insert(feature)
        }
        return features
    }

    func has(_ feature: Feature) -> Bool { features.contains(feature) }
}

/// Why a document is not the plugin's arguments.
package enum WorkloadAwareArgsError: Error, Equatable, Sendable, CustomStringConvertible {
    case notAnObject
    case notText(String)
    case notAList(String)
    case unknownMember(String)
    case unsupported(String, expected: String)
    case invalidPolicy(String)
    case invalidFeature(Int, String)

    /// What is wrong, and what would be right; where actimanager says something, in its words.
    package var description: String {
        switch self {
        case .notAnObject: "the arguments of WorkloadAware are not an object"
        case .notText(let member): "\(member): Invalid value: not a string"
        case .notAList(let member): "\(member): Invalid value: not a list"
        case .unknownMember(let name): "\(name): unknown field; there are policy and features"
        case .unsupported(let name, let expected): "\(name): Invalid value: only \(expected) is supported"
        case .invalidPolicy(let text): "policy: Invalid value: \"\(text)\": invalid policy"
        case .invalidFeature(let index, let text): "features[\(index)]: Invalid value: \"\(text)\": invalid feature"
        }
    }
}
