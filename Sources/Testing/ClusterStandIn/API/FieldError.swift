import WireJSON

/// What is wrong with one field of an object, in the words of a real API server.
struct FieldError: Equatable, Sendable {
    enum Kind: String, Sendable {
        case required = "FieldValueRequired"
        case invalid = "FieldValueInvalid"
        case typeInvalid = "FieldValueTypeInvalid"
        case notSupported = "FieldValueNotSupported"
        case forbidden = "FieldValueForbidden"
        case duplicate = "FieldValueDuplicate"
        case notFound = "FieldValueNotFound"
        case tooLong = "FieldValueTooLong"
        case tooMany = "FieldValueTooMany"

        fileprivate var words: String {
            switch self {
            case .required: "Required value"
            case .invalid, .typeInvalid: "Invalid value"
            case .notSupported: "Unsupported value"
            case .forbidden: "Forbidden"
            case .duplicate: "Duplicate value"
            case .notFound: "Not found"
            case .tooLong: "Too long"
            case .tooMany: "Too many"
            }
        }
    }

    let field: String
    let kind: Kind
    /// The text without the field.
    let body: String

    /// The field and what is wrong with it.
    var description: String { "\(field): \(body)" }

    private init(_ field: String, _ kind: Kind, value: String? = nil, _ detail: String) {
        self.field = field
        self.kind = kind
        var body = kind.words
        if let value { body += ": \(value)" }
        if !detail.isEmpty { body += ": \(detail)" }
        self.body = body
    }

    static func required(_ field: String, _ detail: String = "") -> FieldError { .init(field, .required, detail) }
    static func forbidden(_ field: String, _ detail: String) -> FieldError { .init(field, .forbidden, detail) }

    static func invalid(_ field: String, _ value: JSONValue, _ detail: String) -> FieldError {
        .init(field, .invalid, value: show(value), detail)
    }

    /// A value that is shown as it stands, such as a number of Go.
    static func invalid(_ field: String, bare value: String, _ detail: String) -> FieldError {
        .init(field, .invalid, value: value, detail)
    }

    static func duplicate(_ field: String, _ value: JSONValue) -> FieldError {
        .init(field, .duplicate, value: show(value), "")
    }

    static func notSupported(_ field: String, _ value: JSONValue, _ supported: [String]) -> FieldError {
        let list = supported.map(quote).joined(separator: ", ")
        return .init(field, .notSupported, value: show(value), list.isEmpty ? "" : "supported values: \(list)")
    }

    static func tooLong(_ field: String, _ maximum: Int) -> FieldError {
        .init(field, .tooLong, "may not be more than \(maximum) byte\(maximum == 1 ? "" : "s")")
    }

    static func tooMany(_ field: String, _ actual: Int, _ maximum: Int) -> FieldError {
        .init(field, .tooMany, value: "\(actual)", "must have at most \(maximum) item\(maximum == 1 ? "" : "s")")
    }

    /// A value of another type than the schema's.
    static func type(_ field: String, _ value: JSONValue, wanted: String) -> FieldError {
        let found =
            switch value {
            case .null: "null"
            case .boolean: "boolean"
            case .number(let text): text.utf8.contains(UInt8(ascii: ".")) ? "number" : "integer"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        let name = field.isEmpty ? "" : "\(field) "
        return .init(
            field.isEmpty ? "<nil>" : field, .typeInvalid, value: quote(found),
            "\(name)in body must be of type \(wanted): \(quote(found))")
    }

    private static func show(_ value: JSONValue) -> String {
        if case .string(let text) = value { return quote(text) }
        return value.json
    }

    /// The text in double quotes.
    static func quote(_ text: String) -> String { JSONValue.string(text).json }
}
