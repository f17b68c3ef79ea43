import Ledger
import WireJSON

/// A request of the EPA socket that has passed validation (EPA specification, sections 2 and 3; EPA extensions).
package enum EPARequest: Equatable, Sendable {
    /// A question: answered from the last durable ledger.
    case query(EPAQuery)
    /// A change: decided by the ledger's owner.
    case change(EPAChange)

    /// Validates a decoded request.
    ///
    /// - Parameter extensions: those that are turned on; the members of others are ignored.
    /// - Throws: ``EPARequestError`` with the text for the wire.
    package init(_ value: JSONValue, extensions: EPAExtensions = []) throws(EPARequestError) {
        guard value.members != nil else { throw EPARequestError("Invalid request: expected a JSON object") }
        let action = value["action"] ?? .null
        var fields = EPAFields(value)
        func pool() -> String? {
            guard extensions.contains(.cpuPools) else { return nil }
            return fields.choice("pool", of: [Pool.isolated, Pool.general]) ?? Pool.isolated
        }
        func isProtected() -> Bool? {
            guard extensions.contains(.nonPreemptiveAllocations) else { return nil }
            return fields.choice("preemption_policy", of: ["legacy", "non-preemptive"]).map { $0 == "non-preemptive" }
        }
        switch action.string {
        case "allocate_cores":
            fields.model = "AllocateCoresRequest"
            let service = fields.string("service_name")
            let count = fields.integer("num_of_cores", default: 0)
            let options = EPAChange.Options(pool: pool(), isProtected: isProtected())
            self = try fields.finish { .change(.allocateCores(service: service, count: count, options)) }
        case "allocate_cores_percent":
            fields.model = "AllocateCoresPercentRequest"
            let service = fields.string("service_name")
            let percent = fields.integer("percent", atLeast: -1, atMost: 100)
            let options = EPAChange.Options(pool: pool(), isProtected: isProtected())
            self = try fields.finish { .change(.allocateCoresPercent(service: service, percent: percent, options)) }
        case "allocate_numa_cores":
            fields.model = "AllocateNumaCoresRequest"
            let service = fields.string("service_name")
            let node = fields.integer("numa_node", atLeast: 0)
            let count = fields.integer("num_of_cores")
            let options = EPAChange.Options(pool: pool(), isProtected: isProtected())
            self = try fields.finish {
                .change(.allocateNodeCores(service: service, node: node, count: count, options))
            }
        case "list_allocations":
            fields.model = "ListAllocationsRequest"
            _ = fields.optionalString("service_name")
            let pool = pool()
            self = try fields.finish { .query(.listAllocations(pool: pool ?? Pool.isolated)) }
        case "get_memory_info":
            fields.model = "GetMemoryInfoRequest"
            let service = fields.optionalString("service_name")
            self = try fields.finish { .query(.memoryInfo(service: service)) }
        case "berth_status":
            fields.model = "BerthStatusRequest"
            self = try fields.finish { .query(.status) }
        case "allocate_hugepages":
            fields.model = "AllocateHugepagesRequest"
            let service = fields.string("service_name")
            let count = fields.integer("hugepages_requested")
            if count == 0, fields.has("hugepages_requested") {
                fields.reject(
                    "hugepages_requested", "Value error, hugepages_requested=0 is invalid for allocate_hugepages")
            }
            let node = fields.integer("node_id", atLeast: 0)
            let size = fields.integer("size_kb", above: 0)
            self = try fields.finish {
                .change(.allocatePages(service: service, count: count, node: node, sizeKB: size))
            }
        default:
            throw EPARequestError("Unknown action: \(pythonText(action, nested: false))")
        }
    }
}

/// A question of the EPA socket.
package enum EPAQuery: Equatable, Sendable {
    /// `list_allocations` of one pool.
    case listAllocations(pool: String)
    /// `get_memory_info`; the name is only echoed.
    case memoryInfo(service: String)
    /// `berth_status`, which only Berth knows.
    case status
}

/// A change that the EPA socket asks for.
package enum EPAChange: Equatable, Sendable {
    /// `allocate_cores`: -1 releases, 0 is the default share.
    case allocateCores(service: String, count: Int, Options)
    /// `allocate_cores_percent`: -1 and 0 release.
    case allocateCoresPercent(service: String, percent: Int, Options)
    /// `allocate_numa_cores`: -1 releases.
    case allocateNodeCores(service: String, node: Int, count: Int, Options)
    /// `allocate_hugepages`: -1 removes the reservation.
    case allocatePages(service: String, count: Int, node: Int, sizeKB: Int)

    /// What the extensions add to a change of cores.
    package struct Options: Equatable, Sendable {
        /// The pool; nil where requests cannot name one.
        package var pool: String?
        /// Whether the service is to be protected from preemption; nil where the request does not say.
        package var isProtected: Bool?

        /// Options.
        package init(pool: String? = nil, isProtected: Bool? = nil) {
            self.pool = pool
            self.isProtected = isProtected
        }
    }
}

/// Extensions of the protocol that an operator may turn on (EPA extensions, section 5).
package struct EPAExtensions: OptionSet, Hashable, Sendable {
    /// The bits.
    package let rawValue: Int

    /// Extensions of these bits.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// `preemption_policy`: protection from preemption.
    package static let nonPreemptiveAllocations = EPAExtensions(rawValue: 1)
    /// `pool`: a configured pool of ordinary CPUs beside the isolated ones.
    package static let cpuPools = EPAExtensions(rawValue: 2)

    /// The extensions by their name on the wire, with the member that each adds to requests.
    package static let names: [(name: String, member: String, extension: EPAExtensions)] = [
        ("non-preemptive-allocations", "preemption_policy", .nonPreemptiveAllocations),
        ("cpu-pools", "pool", .cpuPools),
    ]
}

/// A request that is refused before it reaches the ledger; the text goes on the wire.
package struct EPARequestError: Error, Equatable, Sendable {
    /// The text of the error reply.
    package let text: String

    init(_ text: String) { self.text = text }
}

/// How Python prints a JSON value: clients know `Unknown action: None`.
private func pythonText(_ value: JSONValue, nested: Bool) -> String {
    switch value {
    case .null: return "None"
    case .boolean(let truth): return truth ? "True" : "False"
    case .number(let text): return text
    case .string(let text): return nested ? "'\(text)'" : text
    case .array(let elements): return "[\(elements.map { pythonText($0, nested: true) }.joined(separator: ", "))]"
    case .object(let members):
        return "{\(members.map { "'\($0.name)': \(pythonText($0.value, nested: true))" }.joined(separator: ", "))}"
    }
}
