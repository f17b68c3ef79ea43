import WireJSON

/// Takes the fields of a request one by one and reports all that fail at once.
struct EPAFields {
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

    /// One of a few texts; nil where the member is absent or null.
    mutating func choice(_ field: String, of choices: [String]) -> String? {
        guard let found = value[field], found != .null else { return nil }
        guard let text = found.string, choices.contains(text) else {
            reject(field, "Input should be \(choices.map { "'\($0)'" }.joined(separator: " or "))")
            return nil
        }
        return text
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
