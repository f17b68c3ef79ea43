internal import WireYAML

/// The content of one or several kubeconfig files.
public struct Kubeconfig: Equatable, Sendable {
    /// The name of the current context.
    public internal(set) var currentContext: Named<String>?
    /// The contexts by name.
    public internal(set) var contexts: [String: Named<Context>] = [:]

    var clusters: [String: Entry] = [:]
    var users: [String: Entry] = [:]

    /// Something, and the file that it is from.
    public struct Named<Value: Equatable & Sendable>: Equatable, Sendable {
        /// What it is.
        public let value: Value
        /// The path of the file.
        public let file: String
    }

    /// A cluster, a user and a namespace.
    public struct Context: Equatable, Sendable {
        /// The name of the cluster.
        public let cluster: String
        /// The name of the user; empty for nobody.
        public let user: String
        /// The namespace; nil for `default`.
        public let namespace: String?
    }

    /// A cluster or a user as it stands in its file.
    struct Entry: Equatable, Sendable {
        let json: JSONValue
        let file: String
        /// Where it stands: `users[dev].user`.
        let path: String
    }

    /// Whether there is nothing in it.
    public var isEmpty: Bool { currentContext == nil && contexts.isEmpty && clusters.isEmpty && users.isEmpty }

    /// A kubeconfig without anything.
    public init() {}

    /// Reads one file.
    ///
    /// - Parameters:
    ///   - bytes: YAML, or JSON.
    ///   - file: its path; relative paths in it are relative to its directory.
    public init(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
        let json: JSONValue
        do { json = try JSONValue(yaml: bytes) } catch { throw ConfigurationError(file: file, reason: "\(error)") }
        if json == .null { return }
        guard json.members != nil else { throw ConfigurationError(file: file, reason: "it is no mapping of members") }
        if let version = json["apiVersion"], version.string != "v1" {
            throw ConfigurationError(file: file, member: "apiVersion", reason: "it is not v1")
        }
        if let current = json["current-context"]?.text, !current.isEmpty {
            currentContext = Named(value: current, file: file)
        }
        clusters = try Self.entries(json, "clusters", "cluster", file)
        users = try Self.entries(json, "users", "user", file)
        for (name, entry) in try Self.entries(json, "contexts", "context", file) {
            let context = Context(
                cluster: entry.json["cluster"]?.text ?? "", user: entry.json["user"]?.text ?? "",
                namespace: entry.json["namespace"]?.text.flatMap { $0.isEmpty ? nil : $0 })
            contexts[name] = Named(value: context, file: file)
        }
    }

    /// Adds what another file has besides; what both have is as it was.
    public mutating func merge(_ other: Kubeconfig) {
        currentContext = currentContext ?? other.currentContext
        contexts.merge(other.contexts) { mine, _ in mine }
        clusters.merge(other.clusters) { mine, _ in mine }
        users.merge(other.users) { mine, _ in mine }
    }

    /// What `kubectl` would read: the files that `KUBECONFIG` names, else `~/.kube/config`. A file that does not exist has nothing.
    public static func standard(system: SystemAccess = .real) throws(ConfigurationError) -> Kubeconfig {
        var paths = (system.variable("KUBECONFIG") ?? "").split(separator: ":").map(String.init)
        if paths.isEmpty, let home = system.variable("HOME"), !home.isEmpty { paths = ["\(home)/.kube/config"] }
        var merged = Kubeconfig()
        for path in paths {
            let bytes: [UInt8]
            do { bytes = try system.readFile(path) } catch {
                guard "\(error)" == SystemFailure.noSuchFile.description else {
                    throw ConfigurationError(file: path, reason: "\(error)")
                }
                continue
            }
            merged.merge(try Kubeconfig(bytes, file: path))
        }
        return merged
    }

    /// The list of named things `list`, each of which has a member `member`.
    private static func entries(
        _ json: JSONValue, _ list: String, _ member: String, _ file: String
    ) throws(ConfigurationError) -> [String: Entry] {
        guard let value = json[list], value != .null else { return [:] }
        guard let elements = value.array else {
            throw ConfigurationError(file: file, member: list, reason: "it is no list")
        }
        var entries: [String: Entry] = [:]
        for (index, element) in elements.enumerated() {
            guard let name = element["name"]?.text else {
                throw ConfigurationError(file: file, member: "\(list)[\(index)]", reason: "it has no name")
            }
            let entry = element[member] ?? .null
            guard entry == .null || entry.members != nil else {
                throw ConfigurationError(file: file, member: "\(list)[\(name)].\(member)", reason: "it has no members")
            }
            guard entries[name] == nil else {
                throw ConfigurationError(file: file, member: list, reason: "the name \(name) stands twice")
            }
            entries[name] = Entry(json: entry, file: file, path: "\(list)[\(name)].\(member)")
        }
        return entries
    }
}

extension JSONValue {
    /// A string, or a number or truth value as it was spelt: in YAML these have no quotes.
    var text: String? {
        switch self {
        case .string(let text), .number(let text): text
        case .boolean(let truth): truth ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}

extension SystemFailure {
    /// There is no such file.
    public static let noSuchFile = SystemFailure(description: "No such file or directory")
}
