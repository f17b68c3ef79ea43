/// What a watch says.
public enum WatchEvent<Object: KubernetesObject>: Equatable, Sendable {
    /// There is a new object, or one that is selected now.
    case added(Object)
    /// An object has changed.
    case modified(Object)
    /// An object is gone, or not selected any more; this is its last state.
    case deleted(Object)
    /// Everything up to this version has been said.
    case bookmark(resourceVersion: String)
    /// The server cannot go on.
    case error(Status)

    /// Reads one line of a watch.
    ///
    /// - Throws: ``KubernetesError/malformed(_:)``.
    public init(_ line: [UInt8]) throws(KubernetesError) {
        let json: JSONValue
        do { json = try JSONValue(line, maximumDepth: APIRequest.depth) } catch { throw .malformed("\(error)") }
        guard let type = json["type"]?.string, let object = json["object"], object.members != nil else {
            throw .malformed("an event of a watch has no type or no object")
        }
        if type == "ERROR" {
            self = .error(Status(json: object))
            return
        }
        let metadata = object["metadata"]
        guard let version = metadata?["resourceVersion"]?.string, !version.isEmpty else {
            throw .malformed("an event of a watch has no resourceVersion")
        }
        if type == "BOOKMARK" {
            self = .bookmark(resourceVersion: version)
            return
        }
        guard metadata?["name"]?.string?.isEmpty == false else {
            throw .malformed("an object of a watch has no name")
        }
        switch type {
        case "ADDED": self = .added(Object(json: object))
        case "MODIFIED": self = .modified(Object(json: object))
        case "DELETED": self = .deleted(Object(json: object))
        default: throw .malformed("a watch says \(type.prefix(40))")
        }
    }

    /// The version up to which everything has been said; nil for an error.
    public var resourceVersion: String? {
        switch self {
        case .added(let object), .modified(let object), .deleted(let object): object.metadata.resourceVersion
        case .bookmark(let version): version
        case .error: nil
        }
    }
}
