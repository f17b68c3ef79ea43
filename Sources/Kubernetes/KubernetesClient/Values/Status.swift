/// The answer of an API server that does not do what was asked.
public struct Status: JSONView, CustomStringConvertible {
    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// Why, in one word. A newer server may have further reasons.
    public struct Reason: RawRepresentable, Hashable, Sendable {
        /// As it is spelt.
        public let rawValue: String

        /// The value that is spelt so.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// There is no such object, or no such kind.
        public static let notFound = Reason(rawValue: "NotFound")
        /// There is an object of this name.
        public static let alreadyExists = Reason(rawValue: "AlreadyExists")
        /// The object has another version, uid or field manager than the request says.
        public static let conflict = Reason(rawValue: "Conflict")
        /// It is not there any more.
        public static let gone = Reason(rawValue: "Gone")
        /// The version, or the page, is too old: list again.
        public static let expired = Reason(rawValue: "Expired")
        /// The caller may not do this.
        public static let forbidden = Reason(rawValue: "Forbidden")
        /// The server does not know the caller.
        public static let unauthorized = Reason(rawValue: "Unauthorized")
        /// The object is not valid; ``Status/causes`` says where.
        public static let invalid = Reason(rawValue: "Invalid")
        /// The caller, or everybody, asks too much; ``Status/retryAfter`` says when to come back.
        public static let tooManyRequests = Reason(rawValue: "TooManyRequests")
        /// The request makes no sense.
        public static let badRequest = Reason(rawValue: "BadRequest")
        /// The kind has no such operation.
        public static let methodNotAllowed = Reason(rawValue: "MethodNotAllowed")
        /// The server does not take this form of body.
        public static let unsupportedMediaType = Reason(rawValue: "UnsupportedMediaType")
        /// The request has more bytes than the server takes.
        public static let requestEntityTooLarge = Reason(rawValue: "RequestEntityTooLarge")
        /// It took too long; it may have been carried out.
        public static let timeout = Reason(rawValue: "Timeout")
        /// The server asks to be asked later.
        public static let serverTimeout = Reason(rawValue: "ServerTimeout")
        /// Something failed within the server.
        public static let internalError = Reason(rawValue: "InternalError")
        /// The server, or what it depends on, is not there.
        public static let serviceUnavailable = Reason(rawValue: "ServiceUnavailable")
        /// The server gives none.
        public static let unknown = Reason(rawValue: "")

        /// The reason of an HTTP status, for an answer that gives none.
        init(code: Int) {
            self =
                switch code {
                case 400: .badRequest
                case 401: .unauthorized
                case 403: .forbidden
                case 404: .notFound
                case 405: .methodNotAllowed
                case 409: .conflict
                case 410: .gone
                case 413: .requestEntityTooLarge
                case 415: .unsupportedMediaType
                case 422: .invalid
                case 429: .tooManyRequests
                case 500: .internalError
                case 503: .serviceUnavailable
                case 504: .timeout
                default: .unknown
                }
        }
    }

    /// One thing that is wrong with an object.
    public struct Cause: JSONView {
        /// All of it, as JSON.
        public var json: JSONValue

        /// A view of this JSON.
        public init(json: JSONValue) { self.json = json }

        /// What kind of mistake: `FieldValueInvalid`.
        public var reason: String { text("reason") ?? "" }
        /// The mistake, for people.
        public var message: String { text("message") ?? "" }
        /// The member: `spec.exclusivenessLevel`.
        public var field: String { text("field") ?? "" }
    }

    /// The HTTP status; 0 where the server gives none.
    public var code: Int { number("code") ?? 0 }
    /// Why, in one word.
    public var reason: Reason {
        guard let text = text("reason"), !text.isEmpty else { return Reason(code: code) }
        return Reason(rawValue: text)
    }
    /// Why, for people.
    public var message: String { text("message") ?? "" }
    /// What is wrong with the object.
    public var causes: [Cause] { list("details", "causes") }
    /// When to come back; nil where the server does not say.
    public var retryAfter: Duration? {
        number("details", "retryAfterSeconds").flatMap { $0 > 0 ? .seconds(min($0, 86_400)) : nil }
    }
    /// One sentence for people.
    public var description: String {
        message.isEmpty ? "The API server answered with the HTTP status \(code)" : message
    }

    /// The status of an answer: the body, where that is a `Status`; else what code and text say.
    init(code: Int, body: [UInt8], retryAfter: String?) {
        if let json = try? JSONValue(body), json["kind"]?.string == "Status" {
            self.json = json
        } else {
            let text = String(decoding: body.prefix(1000), as: UTF8.self)
            json = ["kind": "Status", "message": .string(text.filter { !$0.isNewline })]
        }
        if number("code") == nil || self.code == 0 { json["code"] = JSONValue(code) }
        if let retryAfter = retryAfter.flatMap({ Int($0) }), self.retryAfter == nil {
            set(retryAfter, "details", "retryAfterSeconds")
        }
    }
}
