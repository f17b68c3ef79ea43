import WireJSON

/// The type of a value: of a field of a built-in kind, or what a CustomResourceDefinition says of one.
final class Schema: Sendable {
    enum Form: Equatable, Sendable {
        case any, object, array, string, integer, number, boolean, intOrString
    }

    /// How the elements of a list belong together (`x-kubernetes-list-type`).
    enum ListType: Equatable, Sendable {
        case atomic, set
        case map(keys: [String])
    }

    /// What limits a value.
    struct Limits: Sendable {
        var allowed: [JSONValue] = []
        var pattern: String?
        var minimum: Double?
        var maximum: Double?
        var isMinimumExclusive = false
        var isMaximumExclusive = false
        var minimumCount: Int?
        var maximumCount: Int?
        var isUnique = false
    }

    var form: Form { content.form }
    var properties: [String: Schema] { content.properties }
    var required: [String] { content.required }
    /// What values of other members are; nil where there are no others.
    var additional: Schema? { content.additional }
    var items: Schema? { content.items }
    var listType: ListType { content.listType }
    /// Whether the object is replaced as a whole (`x-kubernetes-map-type: atomic`).
    var isAtomic: Bool { content.isAtomic }
    var preservesUnknown: Bool { content.preservesUnknown }
    var isNullable: Bool { content.isNullable }
    /// Whether the object is one of Kubernetes' own, with apiVersion, kind and metadata.
    var isEmbedded: Bool { content.isEmbedded }
    var initial: JSONValue? { content.initial }
    var format: String? { content.format }
    var limits: Limits { content.limits }
    var allOf: [Schema] { content.allOf }
    var anyOf: [Schema] { content.anyOf }
    var oneOf: [Schema] { content.oneOf }
    var not: Schema? { content.not }
    var goType: String { content.goType }

    /// All of that.
    struct Content: Sendable {
        var form = Form.any
        var properties: [String: Schema] = [:]
        var required: [String] = []
        var additional: Schema?
        var items: Schema?
        var listType = ListType.atomic
        var isAtomic = false
        var preservesUnknown = false
        var isNullable = false
        var isEmbedded = false
        var initial: JSONValue?
        var format: String?
        var limits = Limits()
        var allOf: [Schema] = []
        var anyOf: [Schema] = []
        var oneOf: [Schema] = []
        var not: Schema?
        /// The name of the type in Go; empty where it has none.
        var goType = ""
    }

    private let content: Content

    init(_ content: Content) { self.content = content }

    convenience init(_ form: Form) {
        var content = Content()
        content.form = form
        content.preservesUnknown = form == .any
        self.init(content)
    }

    /// The same with changes.
    func with(_ change: (inout Content) -> Void) -> Schema {
        var content = content
        change(&content)
        return Schema(content)
    }

    static let any = Schema(.any)

    /// The schema of a member.
    func member(_ name: String) -> Schema? { properties[name] ?? additional }
}
