import WireJSON

/// A request of the EPA socket that has passed validation (EPA specification, sections 2 and 3).
package enum EPARequest: Equatable, Sendable {
    /// `allocate_cores`: -1 releases, 0 is the default policy.
    case allocateCores(service: String, count: Int)
    /// `allocate_cores_percent`: -1 and 0 release.
    case allocateCoresPercent(service: String, percent: Int)
    /// `allocate_numa_cores`: -1 releases.
    case allocateNodeCores(service: String, node: Int, count: Int)
    /// `list_allocations`.
    case listAllocations
    /// `get_memory_info`; the name is only echoed.
    case memoryInfo(service: String)
    /// `allocate_hugepages`: -1 removes the booking.
    case allocatePages(service: String, count: Int, node: Int, sizeKB: Int)

    /// Validates a decoded request.
    ///
    /// - Throws: ``EPARequestError`` with the text for the wire.
    package init(_ value: JSONValue) throws(EPARequestError) {
        guard value.members != nil else { throw EPARequestError("Invalid request: expected a JSON object") }
        let action = value["action"] ?? .null
        var fields = Fields(value)
        switch action.string {
        case "allocate_cores":
            fields.model = "AllocateCoresRequest"
            let service = fields.string("service_name")
            let count = fields.integer("num_of_cores", default: 0)
            self = try fields.finish { .allocateCores(service: service, count: count) }
        case "allocate_cores_percent":
            fields.model = "AllocateCoresPercentRequest"
            let service = fields.string("service_name")
            let percent = fields.integer("percent", atLeast: -1, atMost: 100)
            self = try fields.finish { .allocateCoresPercent(service: service, percent: percent) }
        case "allocate_numa_cores":
            fields.model = "AllocateNumaCoresRequest"
            let service = fields.string("service_name")
            let node = fields.integer("numa_node", atLeast: 0)
            let count = fields.integer("num_of_cores")
            self = try fields.finish { .allocateNodeCores(service: service, node: node, count: count) }
        case "list_allocations":
            fields.model = "ListAllocationsRequest"
            _ = fields.optionalString("service_name")
            self = try fields.finish { .listAllocations }
        case "get_memory_info":
            fields.model = "GetMemoryInfoRequest"
            let service = fields.optionalString("service_name")
            self = try fields.finish { .memoryInfo(service: service) }
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
            self = try fields.finish { .allocatePages(service: service, count: count, node: node, sizeKB: size) }
        default:
            throw EPARequestError("Unknown action: \(pythonText(action, nested: false))")
        }
    }
}

/// A request that is refused before it reaches the ledger; the text goes on the wire.
package struct EPARequestError: Error, Equatable, Sendable {
    /// The text of the error reply.
    package let text: String

    init(_ text: String) { self.text = text }
}

/// Takes the fields of a request one by one and reports all that fail at once.
private struct Fields {
    let value: JSONValue
    var model = ""
    private var failures: [(field: String, message: String)] = []

    init(_ value: JSONValue) {
        self.value = value
        if let version = value["version"], version != .string("1.0") { reject("version", "Input should be '1.0'") }
    }

    func has(_ field: String) -> Bool {
        !failures.contains { $0.field == field }
    }

    mutating func reject(_ field: String, _ message: String) {
        failures.append((field, message))
    }

    mutating func string(_ field: String) -> String {
        guard let found = value[field] else {
            reject(field, "Field required")
            return ""
        }
        guard let text = found.string else {
            reject(field, "Input should be a valid string")
            return ""
        }
        return text
    }

    mutating func optionalString(_ field: String) -> String {
        guard let found = value[field], found != .null else { return "" }
        return string(field)
    }

    /// An integer by the lax rules; 0 where it fails. The bounds are those of the 64-bit range unless given.
    mutating func integer(
        _ field: String, default fallback: Int? = nil, atLeast least: Int = .min, above bound: Int? = nil,
        atMost most: Int = .max
    ) -> Int {
        guard let found = value[field] else {
            if fallback == nil { reject(field, "Field required") }
            return fallback ?? 0
        }
        do {
            let number = try found.laxInteger()
            if number < least {
                reject(field, "Input should be greater than or equal to \(least)")
            } else if number > most {
                reject(field, "Input should be less than or equal to \(most)")
            } else if let bound, number <= bound {
                reject(field, "Input should be greater than \(bound)")
            }
            return number
        } catch {
            reject(field, error.description)
            return 0
        }
    }

    func finish(_ request: () -> EPARequest) throws(EPARequestError) -> EPARequest {
        guard !failures.isEmpty else { return request() }
        let head = "\(failures.count) validation error\(failures.count == 1 ? "" : "s") for \(model)"
        throw EPARequestError(failures.reduce(into: head) { $0 += "\n\($1.field)\n  \($1.message)" })
    }
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
