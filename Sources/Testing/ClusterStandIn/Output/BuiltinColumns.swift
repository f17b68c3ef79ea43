import WireJSON

/// The columns of built-in kinds, as `kubectl get` shows them.
enum BuiltinColumns {
    /// A kind, then its columns: `Name:path` where a path leads to the cell, `Name` where code makes it; a type in
    /// brackets, `+` for columns of wide tables.
    private static let table: [String: String] = [
        "pods": "Ready;Status;Restarts;Age;+IP:.status.podIP;+Node:.spec.nodeName;"
            + "+Nominated Node:.status.nominatedNodeName;+Readiness Gates",
        "nodes": "Status;Roles;Age;Version:.status.nodeInfo.kubeletVersion;+Internal-IP;+External-IP;"
            + "+OS-Image:.status.nodeInfo.osImage;+Kernel-Version:.status.nodeInfo.kernelVersion;"
            + "+Container-Runtime:.status.nodeInfo.containerRuntimeVersion",
        "namespaces": "Status:.status.phase;Age",
        "configmaps": "Data[integer];Age",
        "secrets": "Type:.type;Data[integer];Age",
        "serviceaccounts": "Secrets[integer];Age",
        "services": "Type:.spec.type;Cluster-IP;External-IP;Port(s);Age;+Selector",
        "endpoints": "Endpoints;Age",
        "events": "Last Seen;Type:.type;Reason:.reason;Object;+Subobject:.involvedObject.fieldPath;+Source;"
            + "Message:.message;+First Seen;+Count[integer];+Name",
        "deployments.apps": "Ready;Up-to-date[integer];Available[integer];Age;+Containers;+Images;+Selector",
        "daemonsets.apps":
            "Desired[integer]:.status.desiredNumberScheduled;Current[integer]:.status.currentNumberScheduled;"
            + "Ready[integer]:.status.numberReady;Up-to-date[integer]:.status.updatedNumberScheduled;"
            + "Available[integer]:.status.numberAvailable;Node Selector;Age;+Containers;+Images;+Selector",
        "replicasets.apps": "Desired[integer]:.spec.replicas;Current[integer]:.status.replicas;"
            + "Ready[integer]:.status.readyReplicas;Age;+Containers;+Images;+Selector",
        "statefulsets.apps": "Ready;Age;+Containers;+Images",
        "leases.coordination.k8s.io": "Holder:.spec.holderIdentity;Age",
        "roles.rbac.authorization.k8s.io": "Created At:.metadata.creationTimestamp",
        "clusterroles.rbac.authorization.k8s.io": "Created At:.metadata.creationTimestamp",
        "rolebindings.rbac.authorization.k8s.io": "Role;Age",
        "clusterrolebindings.rbac.authorization.k8s.io": "Role;Age",
        "networkpolicies.networking.k8s.io": "Pod-Selector;Age",
        "poddisruptionbudgets.policy": "Min Available;Max Unavailable;"
            + "Allowed Disruptions[integer]:.status.disruptionsAllowed;Age",
        "customresourcedefinitions.apiextensions.k8s.io": "Created At:.metadata.creationTimestamp",
        "priorityclasses.scheduling.k8s.io": "Value[integer]:.value;Global-Default[boolean]:.globalDefault;Age",
    ]

    static func columns(of kind: String) -> [ResourceType.Column] {
        let kind = kind == "events.events.k8s.io" ? "events" : kind
        let name = ResourceType.Column(name: "Name", type: "string", format: "name", path: JSONPath(".metadata.name"))
        let others = (table[kind] ?? "Age").split(separator: ";").map { text in
            var text = text
            let isWide = text.hasPrefix("+")
            if isWide { text = text.dropFirst() }
            var path: JSONPath?
            if let colon = text.firstIndex(of: ":") {
                path = JSONPath(String(text[text.index(after: colon)...]))
                text = text[..<colon]
            }
            var type = "string"
            if let bracket = text.firstIndex(of: "[") {
                type = String(text[text.index(after: bracket)...].dropLast())
                text = text[..<bracket]
            }
            return ResourceType.Column(name: String(text), type: type, priority: isWide ? 1 : 0, path: path)
        }
        // Events begin with when they were last seen.
        return kind == "events" ? others : [name] + others
    }

    /// A cell that no path leads to.
    static func cell(_ column: String, _ object: JSONValue, _ type: ResourceType, _ now: StandInTime) -> JSONValue {
        switch (type.storage, column) {
        case (_, "Age"): return .string(TableCells.age(object.text("metadata", "creationTimestamp"), now))
        case ("configmaps", "Data"):
            return .integer(
                (object.member("data")?.members?.count ?? 0) + (object.member("binaryData")?.members?.count ?? 0))
        case ("secrets", "Data"): return .integer(object.member("data")?.members?.count ?? 0)
        case ("serviceaccounts", "Secrets"): return .integer(object.member("secrets")?.array?.count ?? 0)
        case ("pods", _): return PodColumns.cell(column, object, now)
        case ("nodes", _): return node(column, object)
        case ("events", _): return event(column, object, now)
        case ("services", _): return service(column, object)
        case ("deployments.apps", "Ready"), ("statefulsets.apps", "Ready"):
            let ready = object.at("status", "readyReplicas")?.integer ?? 0
            return .string("\(ready)/\(object.at("spec", "replicas")?.integer ?? 0)")
        case ("deployments.apps", "Up-to-date"): return object.at("status", "updatedReplicas") ?? .integer(0)
        case ("deployments.apps", "Available"): return object.at("status", "availableReplicas") ?? .integer(0)
        case (_, "Containers"), (_, "Images"):
            let containers = object.at("spec", "template", "spec", "containers")?.array ?? []
            let texts = containers.map { $0.text(column == "Images" ? "image" : "name") ?? "" }
            return .string(texts.joined(separator: ","))
        case (_, "Selector"): return .string(labels(object.at("spec", "selector", "matchLabels")))
        case (_, "Node Selector"):
            return .string(labels(object.at("spec", "template", "spec", "nodeSelector")))
        case (_, "Pod-Selector"): return .string(labels(object.at("spec", "podSelector", "matchLabels")))
        case (_, "Role"):
            return .string("\(object.text("roleRef", "kind") ?? "")/\(object.text("roleRef", "name") ?? "")")
        case (_, "Min Available"): return .string(text(object.at("spec", "minAvailable")) ?? "N/A")
        case (_, "Max Unavailable"): return .string(text(object.at("spec", "maxUnavailable")) ?? "N/A")
        case ("endpoints", "Endpoints"):
            let addresses = (object.member("subsets")?.array ?? []).flatMap { subset in
                (subset.member("addresses")?.array ?? []).map { $0.text("ip") ?? "" }
            }
            return .string(addresses.isEmpty ? "<none>" : addresses.joined(separator: ","))
        default: return .string("")
        }
    }

    private static func text(_ value: JSONValue?) -> String? { value.map { $0.string ?? $0.json } }

    private static func labels(_ value: JSONValue?) -> String {
        let pairs = (value?.dictionary ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return pairs.isEmpty ? "<none>" : pairs.joined(separator: ",")
    }

    private static func node(_ column: String, _ object: JSONValue) -> JSONValue {
        func address(_ type: String) -> String {
            let addresses = object.at("status", "addresses")?.array ?? []
            return addresses.first { $0.text("type") == type }?.text("address") ?? "<none>"
        }
        switch column {
        case "Status":
            let conditions = object.at("status", "conditions")?.array ?? []
            let ready = conditions.first { $0.text("type") == "Ready" }?.text("status")
            var text = ready == "True" ? "Ready" : ready == nil ? "Unknown" : "NotReady"
            if object.at("spec", "unschedulable")?.boolean == true { text += ",SchedulingDisabled" }
            return .string(text)
        case "Roles":
            let prefix = "node-role.kubernetes.io/"
            let roles = (object.at("metadata", "labels")?.members ?? []).compactMap {
                $0.name.hasPrefix(prefix) ? String($0.name.dropFirst(prefix.count)) : nil
            }
            return .string(roles.isEmpty ? "<none>" : roles.joined(separator: ","))
        case "Internal-IP": return .string(address("InternalIP"))
        case "External-IP": return .string(address("ExternalIP"))
        default: return .string("")
        }
    }

    private static func event(_ column: String, _ object: JSONValue, _ now: StandInTime) -> JSONValue {
        let first = object.text("firstTimestamp") ?? object.text("eventTime")
        let last = object.text("series", "lastObservedTime") ?? object.text("lastTimestamp") ?? first
        switch column {
        case "Last Seen": return .string(TableCells.age(last, now))
        case "First Seen": return .string(TableCells.age(first, now))
        case "Object":
            let involved = object.member("involvedObject")
            return .string("\((involved?.text("kind") ?? "").lowercased())/\(involved?.text("name") ?? "")")
        case "Source":
            let component = object.text("source", "component") ?? object.text("reportingComponent") ?? ""
            let host = object.text("source", "host") ?? ""
            return .string(host.isEmpty ? component : "\(component), \(host)")
        case "Count": return object.at("series", "count") ?? object.member("count") ?? .integer(1)
        case "Name": return .string(object.text("metadata", "name") ?? "")
        default: return .string("")
        }
    }

    private static func service(_ column: String, _ object: JSONValue) -> JSONValue {
        switch column {
        case "Cluster-IP": return .string(object.text("spec", "clusterIP") ?? "<none>")
        case "External-IP": return .string("<none>")
        case "Port(s)":
            let ports = (object.at("spec", "ports")?.array ?? []).map { port in
                "\(port.member("port")?.json ?? "")/\(port.text("protocol") ?? "TCP")"
            }
            return .string(ports.isEmpty ? "<none>" : ports.joined(separator: ","))
        default: return .string(labels(object.at("spec", "selector")))
        }
    }
}

/// The columns of pods.
private enum PodColumns {
    static func cell(_ column: String, _ object: JSONValue, _ now: StandInTime) -> JSONValue {
        let statuses = object.at("status", "containerStatuses")?.array ?? []
        switch column {
        case "Ready":
            let ready = statuses.count { $0.member("ready")?.boolean == true }
            return .string("\(ready)/\(object.at("spec", "containers")?.array?.count ?? 0)")
        case "Restarts":
            let restarts = statuses.reduce(0) { $0 &+ ($1.member("restartCount")?.integer ?? 0) }
            let last = statuses.compactMap { $0.text("lastState", "terminated", "finishedAt") }.max()
            guard restarts > 0, let last else { return .string("\(restarts)") }
            return .string("\(restarts) (\(TableCells.age(last, now)) ago)")
        case "Status": return .string(status(object, statuses))
        default: return .string("<none>")
        }
    }

    private static func status(_ object: JSONValue, _ statuses: [JSONValue]) -> String {
        if object.at("metadata", "deletionTimestamp") != nil { return "Terminating" }
        if let reason = object.text("status", "reason"), !reason.isEmpty { return reason }
        for status in statuses.reversed() {
            if let reason = status.text("state", "waiting", "reason"), !reason.isEmpty { return reason }
            if let ended = status.at("state", "terminated") {
                return ended.text("reason") ?? "ExitCode:\(ended.member("exitCode")?.integer ?? 0)"
            }
        }
        return object.text("status", "phase") ?? "Unknown"
    }
}
