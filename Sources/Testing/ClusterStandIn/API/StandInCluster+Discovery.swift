import WireJSON

extension StandInCluster {
    /// Answers a request for what is no object: discovery, OpenAPI, the version, health.
    func answerOther(_ request: StandInRequest, _ target: RequestTarget, now: StandInTime) throws(StatusError)
        -> StandInAnswer
    {
        guard request.method == "GET" || request.method == "HEAD" else {
            return StandInAnswer(405, text: "405 method not allowed\n")
        }
        let path = target.path
        switch path.first {
        case "healthz", "livez", "readyz":
            if target.query["verbose"] != nil {
                return StandInAnswer(200, text: "[+]ping ok\n\(path[0]) check passed\n")
            }
            return StandInAnswer(200, text: "ok")
        case "version": return StandInAnswer(200, versionInfo)
        case "api" where path.count == 1:
            return StandInAnswer(
                200,
                .map([
                    "kind": .string("APIVersions"), "versions": .strings(["v1"]),
                    "serverAddressByClientCIDRs": .array([]),
                ]))
        case "apis" where path.count == 1:
            let groups = registry.groups.filter { !$0.group.isEmpty }.map { groupInfo($0.group, $0.versions) }
            return StandInAnswer(
                200,
                .map(["kind": .string("APIGroupList"), "apiVersion": .string("v1"), "groups": .array(groups)]))
        case "apis" where path.count == 2:
            guard let found = registry.groups.first(where: { $0.group == path[1] }) else { break }
            var info = groupInfo(found.group, found.versions)
            info.set("kind", .string("APIGroup"))
            info.set("apiVersion", .string("v1"))
            return StandInAnswer(200, info)
        case "api" where path.count == 2: if let list = resources("", path[1]) { return StandInAnswer(200, list) }
        case "apis" where path.count == 3: if let list = resources(path[1], path[2]) { return StandInAnswer(200, list) }
        case "openapi": if let document = openAPI(path, request) { return document }
        default: break
        }
        return path.isEmpty ? StandInAnswer(200, rootPaths) : StandInAnswer(404, text: "404 page not found\n")
    }

    private var rootPaths: JSONValue {
        let groups = registry.groups.flatMap { group in
            group.group.isEmpty ? [] : ["/apis/\(group.group)"] + group.versions.map { "/apis/\(group.group)/\($0)" }
        }
        return .map([
            "paths": .strings(
                ["/api", "/api/v1", "/apis"] + groups
                    + ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"])
        ])
    }

    private var versionInfo: JSONValue {
        let parts = settings.version.split(separator: ".").map(String.init)
        return .map([
            "major": .string(parts.first ?? "1"), "minor": .string(parts.dropFirst().first ?? "0"),
            "gitVersion": .string("v\(settings.version)"), "gitCommit": .string("standin"),
            "gitTreeState": .string("clean"),
            "buildDate": .string("1970-01-01T00:00:00Z"), "goVersion": .string("none"), "compiler": .string("swiftc"),
            "platform": .string("linux/amd64"),
        ])
    }

    private func groupInfo(_ group: String, _ versions: [String]) -> JSONValue {
        func info(_ version: String) -> JSONValue {
            .map(["groupVersion": .string("\(group)/\(version)"), "version": .string(version)])
        }
        return .map([
            "name": .string(group), "versions": .array(versions.map(info)),
            "preferredVersion": info(versions.first ?? ""),
        ])
    }

    private func resources(_ group: String, _ version: String) -> JSONValue? {
        let types = registry.all.filter { $0.group == group && $0.version == version }
        guard !types.isEmpty else { return nil }
        var entries: [JSONValue] = []
        for type in types {
            entries.append(
                .map([
                    "name": .string(type.plural), "singularName": .string(type.content.singular),
                    "namespaced": .boolean(type.isNamespaced), "kind": .string(type.kind),
                    "verbs": .strings(type.verbs),
                    "shortNames": type.content.shortNames.isEmpty ? nil : .strings(type.content.shortNames),
                    "categories": type.content.categories.isEmpty ? nil : .strings(type.content.categories),
                    "storageVersionHash": .string("standin"),
                ]))
            for subresource in type.content.subresources.sorted() {
                entries.append(self.subresource(subresource, of: type))
            }
        }
        return .map([
            "kind": .string("APIResourceList"), "apiVersion": .string("v1"),
            "groupVersion": .string(group.isEmpty ? version : "\(group)/\(version)"), "resources": .array(entries),
        ])
    }

    private func subresource(_ name: String, of type: ResourceType) -> JSONValue {
        let special: [String: (kind: String, group: String, version: String, verbs: [String])] = [
            "scale": ("Scale", "autoscaling", "v1", ["get", "patch", "update"]),
            "binding": ("Binding", "", "", ["create"]), "eviction": ("Eviction", "policy", "v1", ["create"]),
            "token": ("TokenRequest", "authentication.k8s.io", "v1", ["create"]),
            "log": (type.kind, "", "", ["get"]), "finalize": (type.kind, "", "", ["update"]),
        ]
        let found = special[name] ?? (type.kind, "", "", ["get", "patch", "update"])
        return .map([
            "name": .string("\(type.plural)/\(name)"), "singularName": .string(""),
            "namespaced": .boolean(type.isNamespaced), "kind": .string(found.kind), "verbs": .strings(found.verbs),
            "group": found.group.isEmpty ? nil : .string(found.group),
            "version": found.version.isEmpty ? nil : .string(found.version),
        ])
    }
}
