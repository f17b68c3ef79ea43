/// An event: what happened to an object, for people (`kubectl describe`).
public struct Event: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "", version: "v1", kind: "Event", plural: "events", isNamespaced: true)

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// What kind of news it is.
    public enum Severity: String, Sendable {
        /// As it should be.
        case normal = "Normal"
        /// Somebody may have to do something.
        case warning = "Warning"
    }

    /// The object that it happened to.
    public var involvedObject: ObjectReference {
        get { view("involvedObject") }
        set { set(newValue.json, "involvedObject") }
    }
    /// What kind of news it is; nil for an unknown one.
    public var severity: Severity? {
        get { text("type").flatMap { Severity(rawValue: $0) } }
        set { set(newValue?.rawValue, "type") }
    }
    /// What happened, in one word in camel case.
    public var reason: String {
        get { text("reason") ?? "" }
        set { set(newValue, "reason") }
    }
    /// What happened, for people.
    public var message: String {
        get { text("message") ?? "" }
        set { set(newValue, "message") }
    }
    /// How often it happened.
    public var count: Int {
        get { number("count") ?? 1 }
        set { set(newValue, "count") }
    }
    /// When it happened first.
    public var firstTimestamp: Timestamp? {
        get { time("firstTimestamp") }
        set { set(newValue?.seconds, "firstTimestamp") }
    }
    /// When it happened last.
    public var lastTimestamp: Timestamp? {
        get { time("lastTimestamp") }
        set { set(newValue?.seconds, "lastTimestamp") }
    }
    /// The program that says so.
    public var component: String {
        get { text("source", "component") ?? "" }
        set {
            set(newValue, "source", "component")
            set(newValue, "reportingComponent")
        }
    }
}
