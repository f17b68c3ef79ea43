import WireJSON

/// What the API server answers.
package struct StandInAnswer: Sendable {
    enum Content: Sendable {
        case bytes([UInt8])
        case value(JSONValue)
        /// The text of one object as a kind.
        case object(StoredObject, ResourceType)
        case list(ListContent)
        case watch(WatchSession)
    }

    /// A list whose objects are written when it is sent.
    struct ListContent: Sendable {
        let type: ResourceType
        let metadata: JSONValue
        let objects: [StoredObject]
    }

    /// The HTTP status.
    package var status: Int
    /// The header field Content-Type.
    package var contentType = "application/json"
    /// The texts of header fields Warning.
    package var warnings: [String] = []
    /// The header field Retry-After, in seconds.
    package var retryAfter: Int?
    var content: Content

    init(_ status: Int, _ content: Content) {
        self.status = status
        self.content = content
    }

    init(_ status: Int, _ value: JSONValue) { self.init(status, .value(value)) }

    init(_ error: StatusError) {
        self.init(error.code, .value(error.object))
        retryAfter = error.retryAfter
    }

    init(_ status: Int, text: String) {
        self.init(status, .bytes(Array(text.utf8)))
        contentType = "text/plain; charset=utf-8"
    }

    /// The body; empty for a watch.
    package var body: [UInt8] {
        switch content {
        case .bytes(let bytes): return bytes
        case .value(let value): return value.encoded
        case .object(let object, let type): return type.text(of: object)
        case .watch: return []
        case .list(let list):
            var text = Array("{\"kind\":\(FieldError.quote(list.type.listKind)),".utf8)
            text += Array("\"apiVersion\":\(FieldError.quote(list.type.apiVersion)),\"metadata\":".utf8)
            text += list.metadata.encoded
            text += Array(",\"items\":[".utf8)
            for (index, object) in list.objects.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                text += list.type.itemText(of: object)
            }
            return text + Array("]}".utf8)
        }
    }
}

extension ResourceType {
    /// A stored value as this kind shows it.
    func shown(_ value: JSONValue) -> JSONValue {
        var shown = EventConversion.applies(to: self) ? EventConversion.fromStorage(value) : value
        shown.set("apiVersion", .string(apiVersion))
        shown.set("kind", .string(kind))
        return shown
    }

    /// A value of this kind as it is stored.
    func stored(_ value: JSONValue) -> JSONValue {
        var stored = EventConversion.applies(to: self) ? EventConversion.toStorage(value) : value
        stored.set("apiVersion", nil)
        stored.set("kind", nil)
        return stored
    }

    /// The text of an object with its kind.
    func text(of object: StoredObject) -> [UInt8] {
        if EventConversion.applies(to: self) { return shown(object.value).encoded }
        let head = "{\"kind\":\(FieldError.quote(kind)),\"apiVersion\":\(FieldError.quote(apiVersion))"
        let bytes = object.bytes
        return Array(head.utf8) + (bytes.count > 2 ? [UInt8(ascii: ",")] : []) + bytes.dropFirst()
    }

    /// The text of an object within a list: those of the built-in kinds do not say their kind.
    func itemText(of object: StoredObject) -> [UInt8] {
        if isCustom { return text(of: object) }
        if EventConversion.applies(to: self) { return EventConversion.fromStorage(object.value).encoded }
        return object.bytes
    }
}

/// `events.k8s.io/v1` shows the events of `v1` under other names.
enum EventConversion {
    private static let names = [
        "regarding": "involvedObject", "note": "message", "reportingController": "reportingComponent",
        "deprecatedSource": "source", "deprecatedFirstTimestamp": "firstTimestamp",
        "deprecatedLastTimestamp": "lastTimestamp", "deprecatedCount": "count",
    ]
    private static let stored = Dictionary(uniqueKeysWithValues: names.map { ($0.value, $0.key) })

    static func applies(to type: ResourceType) -> Bool { type.group == "events.k8s.io" }

    static func toStorage(_ value: JSONValue) -> JSONValue { rename(value, names) }

    static func fromStorage(_ value: JSONValue) -> JSONValue {
        var shown = rename(value, stored)
        for name in ["reportingController", "reportingInstance"] where shown.text(name) == "" { shown.set(name, nil) }
        return shown
    }

    private static func rename(_ value: JSONValue, _ names: [String: String]) -> JSONValue {
        .map((value.members ?? []).map { (names[$0.name] ?? $0.name, $0.value) })
    }
}
