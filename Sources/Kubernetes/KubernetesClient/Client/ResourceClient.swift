/// The objects of one kind on an API server.
///
/// Calls throw ``KubernetesError``; its ``KubernetesError/reason`` says what the server has against a call.
public struct ResourceClient<Object: KubernetesObject>: Sendable {
    /// The client.
    public let client: ClusterClient
    /// The kind.
    public let kind: ResourceKind

    // MARK: - One object

    /// The object of this name.
    ///
    /// - Parameter namespace: its namespace; nil only for a kind that lives in none.
    public func get(_ name: String, namespace: String? = nil) async throws(KubernetesError) -> Object {
        try object(await client.json(APIRequest(.get, try path(namespace, name))))
    }

    /// Creates an object.
    ///
    /// - Parameter options: who changes it, and whether it is only tried.
    /// - Returns: the object as the server has it.
    public func create(_ object: Object, _ options: ChangeOptions = .init()) async throws(KubernetesError) -> Object {
        let path = try path(object.metadata.namespace)
        let request = APIRequest(.post, path, query: options.query, body: complete(object))
        return try self.object(await client.json(request))
    }

    /// Replaces an object. With a ``ObjectMeta/resourceVersion`` that is not the server's it is refused
    /// (``Status/Reason/conflict``).
    ///
    /// Of a kind with a status subresource the status stays as it is: see ``updateStatus(_:_:)``.
    ///
    /// - Returns: the object as the server has it.
    public func update(_ object: Object, _ options: ChangeOptions = .init()) async throws(KubernetesError) -> Object {
        try await put(object, nil, options)
    }

    /// Replaces the status of an object, and nothing else of it.
    ///
    /// - Returns: the object as the server has it.
    public func updateStatus(
        _ object: Object, _ options: ChangeOptions = .init()
    ) async throws(KubernetesError) -> Object {
        try await put(object, "status", options)
    }

    /// Changes members of an object.
    ///
    /// - Parameter subresource: `status`, to change that.
    /// - Returns: the object as the server has it.
    public func patch(
        _ name: String, namespace: String? = nil, _ patch: Patch, subresource: String? = nil,
        _ options: ChangeOptions = .init()
    ) async throws(KubernetesError) -> Object {
        var request = APIRequest(
            .patch, try path(namespace, name, subresource), query: options.query + patch.query, body: patch.body)
        request.contentType = patch.contentType
        return try object(await client.json(request))
    }

    /// Says what an object is to have (server-side apply): creates it, or changes what it has, and takes away what this manager
    /// has said before and does not say any more.
    ///
    /// - Parameters:
    ///   - manager: who says so.
    ///   - force: whether to take members over that somebody else has said otherwise; else that is a conflict.
    ///   - subresource: `status`, to say that.
    /// - Returns: the object as the server has it.
    public func apply(
        _ object: Object, manager: String, force: Bool = false, subresource: String? = nil
    ) async throws(KubernetesError) -> Object {
        var json = complete(object)
        json[["metadata", "managedFields"]] = nil
        var options = ChangeOptions()
        options.fieldManager = manager
        return try await patch(
            object.metadata.name, namespace: object.metadata.namespace, .apply(json, force: force),
            subresource: subresource, options)
    }

    /// Deletes an object, or begins to: one with finalizers stays until they are gone.
    public func delete(
        _ name: String, namespace: String? = nil, _ options: DeleteOptions = .init()
    ) async throws(KubernetesError) {
        _ = try await client.json(APIRequest(.delete, try path(namespace, name), body: options.json))
    }

    /// Deletes all objects that are selected.
    public func deleteAll(_ selection: Selection, _ options: DeleteOptions = .init()) async throws(KubernetesError) {
        _ = try await client.json(
            APIRequest(.delete, try path(selection.namespace), query: selection.query, body: options.json))
    }

    private func put(
        _ object: Object, _ subresource: String?, _ options: ChangeOptions
    ) async throws(KubernetesError) -> Object {
        let path = try path(object.metadata.namespace, object.metadata.name, subresource)
        return try self.object(
            await client.json(APIRequest(.put, path, query: options.query, body: complete(object))))
    }

    // MARK: - Lists

    /// All objects that are selected, page by page.
    ///
    /// The pages are of one moment. Where the server forgets that moment before the last page, the list begins anew.
    ///
    /// - Parameter pageSize: how many objects a page has at most.
    public func list(
        _ selection: Selection = .init(), pageSize: Int = 500
    ) async throws(KubernetesError) -> ObjectList<Object> {
        try await list(selection, .latest(pageSize: pageSize)) { $0 }
    }

    /// One page of the objects that are selected.
    ///
    /// - Parameter continue: the ``ObjectList/continue`` of the page before; nil for the first page.
    public func page(
        _ selection: Selection = .init(), size: Int = 500, continue: String? = nil
    ) async throws(KubernetesError) -> ObjectList<Object> {
        let query: [(String, String?)] = [("limit", String(max(size, 1))), ("continue", `continue`)]
        return try await page(selection, query) { $0 }
    }

    /// All objects that are selected and that `transform` keeps, each as it makes it.
    func list(
        _ selection: Selection, _ kind: Reflector.ListKind, _ transform: (Object) -> Object?
    ) async throws(KubernetesError) -> ObjectList<Object> {
        var restarts = 0
        while true {
            do { return try await pages(selection, kind, transform) } catch {
                guard error.reason == .expired || error.reason == .gone, restarts < 3, case .latest = kind else {
                    throw error
                }
                restarts += 1
            }
        }
    }

    private func pages(
        _ selection: Selection, _ kind: Reflector.ListKind, _ transform: (Object) -> Object?
    ) async throws(KubernetesError) -> ObjectList<Object> {
        let pageSize: Int
        switch kind {
        case .latest(let size): pageSize = size
        case .cached(let version):
            var query: [(String, String?)] = [("resourceVersion", version)]
            if version != "0" { query.append(("resourceVersionMatch", "NotOlderThan")) }
            return try await page(selection, query, transform)
        }
        var list = ObjectList<Object>()
        var next: String?
        repeat {
            let query = [("limit", String(max(pageSize, 1))), ("continue", next)]
            let page = try await page(selection, query, transform)
            list.items += page.items
            list.resourceVersion = page.resourceVersion
            guard page.continue == nil || page.continue != next else {
                throw .malformed("a page continues with itself")
            }
            next = page.continue
        } while next != nil
        return list
    }

    private func page(
        _ selection: Selection, _ query: [(String, String?)], _ transform: (Object) -> Object?
    ) async throws(KubernetesError) -> ObjectList<Object> {
        let request = APIRequest(.get, try listPath(selection), query: selection.query + query)
        return try ObjectList(await client.bytes(request), transform)
    }

    // MARK: - Paths

    func listPath(_ selection: Selection) throws(KubernetesError) -> String {
        guard let namespace = selection.namespace, kind.isNamespaced else {
            guard selection.namespace == nil else {
                throw .invalidRequest("A \(kind.kind) lives in no namespace")
            }
            return "\(root)/\(kind.plural)"
        }
        return "\(root)/namespaces/\(try Self.name(namespace))/\(kind.plural)"
    }

    func path(
        _ namespace: String?, _ name: String? = nil, _ subresource: String? = nil
    ) throws(KubernetesError) -> String {
        guard (namespace != nil) == kind.isNamespaced else {
            throw .invalidRequest(
                kind.isNamespaced ? "A \(kind.kind) lives in a namespace" : "A \(kind.kind) lives in no namespace")
        }
        var path = try listPath(Selection(namespace: namespace))
        if let name { path += "/\(try Self.name(name))" }
        if let subresource { path += "/\(try Self.name(subresource))" }
        return path
    }

    private var root: String { kind.group.isEmpty ? "/api/\(kind.version)" : "/apis/\(kind.group)/\(kind.version)" }

    /// A name as a part of a path; one that would make it another path is refused.
    private static func name(_ name: String) throws(KubernetesError) -> String {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(UInt8(ascii: "/")) else {
            throw .invalidRequest("“\(name)” is no name")
        }
        return APIRequest.encode(name)
    }

    // MARK: - Objects

    private func object(_ json: JSONValue) throws(KubernetesError) -> Object {
        guard json["metadata"]?.members != nil else { throw .malformed("the object has no metadata") }
        return Object(json: json)
    }

    /// An object that says what it is.
    private func complete(_ object: Object) -> JSONValue {
        var json = object.json
        if object.apiVersion.isEmpty { json["apiVersion"] = .string(kind.apiVersion) }
        if object.kind.isEmpty { json["kind"] = .string(kind.kind) }
        return json
    }
}

extension ResourceClient where Object == Pod {
    /// Binds a pod to a node, as a scheduler does.
    ///
    /// - Parameter uid: the pod that is meant; another pod of the name is refused. Nil for any.
    public func bind(
        _ name: String, namespace: String, to node: String, uid: String? = nil
    ) async throws(KubernetesError) {
        var metadata: JSONValue = ["name": .string(name), "namespace": .string(namespace)]
        if let uid { metadata["uid"] = .string(uid) }
        let binding: JSONValue = [
            "apiVersion": "v1", "kind": "Binding", "metadata": metadata,
            "target": ["apiVersion": "v1", "kind": "Node", "name": .string(node)],
        ]
        _ = try await client.json(APIRequest(.post, try path(namespace, name, "binding"), body: binding))
    }
}
