import WireJSON

/// The objects that every cluster begins with.
enum Bootstrap {
    struct Object {
        let group: String
        let version: String
        let plural: String
        let value: JSONValue
    }

    static let objects: [Object] = namespaces + accounts + roles

    private static let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"].map { name in
        Object(
            group: "", version: "v1", plural: "namespaces",
            value: .map(["metadata": .map(["name": .string(name)])]))
    }

    private static let accounts = ["default", "kube-system", "kube-public", "kube-node-lease"].map { namespace in
        Object(
            group: "", version: "v1", plural: "serviceaccounts",
            value: .map(["metadata": .map(["name": .string("default"), "namespace": .string(namespace)])]))
    }

    private static func rule(
        _ verbs: [String], groups: [String]? = nil, resources: [String]? = nil, names: [String]? = nil,
        paths: [String]? = nil
    ) -> JSONValue {
        .map([
            "verbs": .strings(verbs), "apiGroups": groups.map { .strings($0) },
            "resources": resources.map { .strings($0) }, "resourceNames": names.map { .strings($0) },
            "nonResourceURLs": paths.map { .strings($0) },
        ])
    }

    private static let paths = [
        "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version",
        "/version/",
    ]
    private static let readable = [
        "configmaps", "endpoints", "events", "persistentvolumeclaims", "pods", "pods/log", "pods/status",
        "replicationcontrollers", "serviceaccounts", "services", "namespaces", "limitranges", "resourcequotas",
    ]
    private static let namespaced = ["apps", "autoscaling", "batch", "discovery.k8s.io", "networking.k8s.io", "policy"]
    private static let read = ["get", "list", "watch"]
    private static let write = ["create", "delete", "deletecollection", "patch", "update"]

    private static let clusterRoles: [(name: String, rules: [JSONValue])] = [
        ("cluster-admin", [rule(["*"], groups: ["*"], resources: ["*"]), rule(["*"], paths: ["*"])]),
        ("system:discovery", [rule(["get"], paths: paths)]),
        (
            "system:basic-user",
            [
                rule(
                    ["create"], groups: ["authorization.k8s.io"],
                    resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                rule(["create"], groups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"]),
            ]
        ),
        ("view", [rule(read, groups: [""], resources: readable), rule(read, groups: namespaced, resources: ["*"])]),
        (
            "edit",
            [
                rule(read + write, groups: [""], resources: readable + ["secrets"]),
                rule(read + write, groups: namespaced + ["coordination.k8s.io"], resources: ["*"]),
            ]
        ),
        (
            "admin",
            [
                rule(read + write, groups: [""], resources: readable + ["secrets"]),
                rule(
                    read + write, groups: namespaced + ["coordination.k8s.io", "rbac.authorization.k8s.io"],
                    resources: ["*"]),
            ]
        ),
        ("system:kube-scheduler", scheduler),
        (
            "system:volume-scheduler",
            [
                rule(
                    read + ["patch", "update"], groups: [""],
                    resources: ["persistentvolumes", "persistentvolumeclaims"]),
                rule(read, groups: ["storage.k8s.io"], resources: ["storageclasses"]),
            ]
        ),
    ]

    /// What kube-scheduler may do, but for the kinds that are not served here.
    private static let scheduler = [
        rule(["create", "patch", "update"], groups: ["", "events.k8s.io"], resources: ["events"]),
        rule(["create"], groups: ["coordination.k8s.io"], resources: ["leases"]),
        rule(
            read + ["update"], groups: ["coordination.k8s.io"], resources: ["leases"],
            names: ["kube-scheduler"]),
        rule(read, groups: [""], resources: ["nodes", "namespaces", "replicationcontrollers", "services"]),
        rule(read + ["delete"], groups: [""], resources: ["pods"]),
        rule(["create"], groups: [""], resources: ["bindings", "pods/binding"]),
        rule(["patch", "update"], groups: [""], resources: ["pods/status"]),
        rule(["update"], groups: [""], resources: ["pods/finalizers"]),
        rule(read, groups: [""], resources: ["persistentvolumeclaims", "persistentvolumes"]),
        rule(read, groups: ["apps", "extensions"], resources: ["replicasets"]),
        rule(read, groups: ["apps"], resources: ["statefulsets"]),
        rule(read, groups: ["policy"], resources: ["poddisruptionbudgets"]),
        rule(["create"], groups: ["authentication.k8s.io"], resources: ["tokenreviews"]),
        rule(["create"], groups: ["authorization.k8s.io"], resources: ["subjectaccessreviews"]),
        rule(read, groups: ["storage.k8s.io"], resources: ["csinodes"]),
    ]

    private static let bindings = [
        ("cluster-admin", "system:masters"), ("system:discovery", "system:authenticated"),
        ("system:basic-user", "system:authenticated"),
    ]

    private static let roles: [Object] =
        clusterRoles.map { role in
            Object(
                group: "rbac.authorization.k8s.io", version: "v1", plural: "clusterroles",
                value: .map([
                    "metadata": .map([
                        "name": .string(role.name),
                        "labels": .map(["kubernetes.io/bootstrapping": .string("rbac-defaults")]),
                    ]),
                    "rules": .array(role.rules),
                ]))
        }
        + bindings.map { role, group in
            Object(
                group: "rbac.authorization.k8s.io", version: "v1", plural: "clusterrolebindings",
                value: .map([
                    "metadata": .map(["name": .string(role)]),
                    "roleRef": .map([
                        "apiGroup": .string("rbac.authorization.k8s.io"), "kind": .string("ClusterRole"),
                        "name": .string(role),
                    ]),
                    "subjects": .array([
                        .map([
                            "apiGroup": .string("rbac.authorization.k8s.io"), "kind": .string("Group"),
                            "name": .string(group),
                        ])
                    ]),
                ]))
        }
}
