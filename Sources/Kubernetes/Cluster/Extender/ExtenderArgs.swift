internal import KubernetesClient
import WireJSON

/// What kube-scheduler asks a filter or a prioritize (Kubernetes specification, 4.9).
struct ExtenderArgs {
    /// The nodes that are asked about.
    enum Candidates: Equatable {
        /// Their names, from a scheduler with `nodeCacheCapable: true`.
        case names([String])
        /// The nodes themselves, from one without; only their names count.
        case nodes([String])

        /// Their names, in the order of the question.
        var names: [String] {
            switch self {
            case .names(let names), .nodes(let names): names
            }
        }
    }

    /// The pod.
    let pod: Pod
    /// The nodes.
    let candidates: Candidates

    /// The most bytes of a question. 5,000 nodes are 3 MB of names at most; whole nodes are about 10 KB each.
    static let limit = 64 << 20
    /// How deep a question may be nested: what Kubernetes itself takes of a pod is far less.
    static let depth = 128

    /// Reads a question. As in Go, the case of member names does not matter.
    ///
    /// - Throws: ``ExtenderQuestionError``.
    init(_ body: [UInt8]) throws(ExtenderQuestionError) {
        var cursor = try JSONCursor(question: body)
        var pod: JSONValue?
        var names: [String]?
        var nodes: [String]?
        var wrong: String?
        let isObject = cursor.object { cursor, member in
            switch member.lowercased() {
            case "pod": pod = cursor.value()
            case "nodenames":
                var found: [String] = []
                if cursor.isNull { return }
                let isArray = cursor.array { cursor in
                    if let name = cursor.string() { found.append(name) } else { wrong = "NodeNames" }
                }
                if isArray { names = found } else { wrong = "NodeNames" }
            case "nodes":
                if cursor.isNull { return }
                if let found = Self.names(ofNodes: &cursor) { nodes = found } else { wrong = "Nodes" }
            default: break
            }
        }
        guard isObject else { throw .notAnObject }
        if let wrong { throw .malformed(wrong) }
        guard let pod, pod.members != nil else { throw .malformed("Pod") }
        self.pod = Pod(json: pod)
        guard !self.pod.metadata.name.isEmpty, !self.pod.metadata.uid.isEmpty else { throw .malformed("Pod") }
        if let names {
            candidates = .names(names)
        } else if let nodes {
            candidates = .nodes(nodes)
        } else {
            throw .noNodes
        }
    }

    /// The names of a list of nodes; nil where a node has none.
    private static func names(ofNodes cursor: inout JSONCursor) -> [String]? {
        var names: [String] = []
        var isGood = true
        let isObject = cursor.object { cursor, member in
            guard member == "items", !cursor.isNull else { return }
            let isArray = cursor.array { cursor in
                var name: String?
                _ = cursor.object { cursor, member in
                    guard member == "metadata" else { return }
                    _ = cursor.object { cursor, member in if member == "name" { name = cursor.string() } }
                }
                if let name { names.append(name) } else { isGood = false }
            }
            if !isArray { isGood = false }
        }
        return isObject && isGood ? names : nil
    }
}

/// What kube-scheduler asks a bind.
struct ExtenderBindingArgs: Equatable {
    /// The pod's namespace and name.
    let pod: ObjectKey
    /// Its uid.
    let uid: String
    /// The node that it is to run on.
    let node: String

    /// Reads a question. As in Go, the case of member names does not matter.
    ///
    /// - Throws: ``ExtenderQuestionError``.
    init(_ body: [UInt8]) throws(ExtenderQuestionError) {
        var cursor = try JSONCursor(question: body)
        var texts: [String: String] = [:]
        let isObject = cursor.object { cursor, member in texts[member.lowercased()] = cursor.string() }
        guard isObject else { throw .notAnObject }
        func text(_ member: String) throws(ExtenderQuestionError) -> String {
            guard let text = texts[member.lowercased()], !text.isEmpty else { throw .malformed(member) }
            return text
        }
        pod = ObjectKey(namespace: try text("PodNamespace"), name: try text("PodName"))
        uid = try text("PodUID")
        node = try text("Node")
    }
}

/// Why a body is no question of a scheduler.
enum ExtenderQuestionError: Error, Equatable, CustomStringConvertible {
    case notJSON(String)
    case notAnObject
    case malformed(String)
    case noNodes

    /// What is wrong, and what would be right.
    var description: String {
        switch self {
        case .notJSON(let reason): "the body is not JSON: \(reason)"
        case .notAnObject: "the body is not an object"
        case .malformed(let member): "\(member) is missing, or not what a scheduler sends"
        case .noNodes: "there are neither NodeNames nor Nodes"
        }
    }
}

extension JSONCursor {
    fileprivate init(question: [UInt8]) throws(ExtenderQuestionError) {
        do { try self.init(question, maximumDepth: ExtenderArgs.depth) } catch {
            throw .notJSON(error.description)
        }
    }
}
