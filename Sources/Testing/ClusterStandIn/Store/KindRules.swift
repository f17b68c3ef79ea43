import FoundationEssentials
import WireJSON

/// What is particular to built-in kinds.
enum KindRules {
    // MARK: - Defaults

    static func setDefaults(_ value: inout JSONValue, _ type: ResourceType) {
        switch type.storage {
        case "pods":
            if var spec = value.member("spec") {
                setPodDefaults(&spec)
                spec.setDefault("enableServiceLinks", .boolean(true))
                value.set("spec", spec)
            }
            setTimes(&value, ["lastProbeTime", "lastTransitionTime"])
        case "customresourcedefinitions.apiextensions.k8s.io": CustomResourceRules.fillNames(&value)
        case "nodes": setTimes(&value, ["lastHeartbeatTime", "lastTransitionTime"])
        case "events":
            // Times that are not set are null here, and not left out.
            for name in ["eventTime", "firstTimestamp", "lastTimestamp"] { value.setDefault(name, .null) }
            for name in ["reportingComponent", "reportingInstance"] { value.setDefault(name, .string("")) }
            value.setDefault("source", .empty)
        case "deployments.apps", "daemonsets.apps", "replicasets.apps", "statefulsets.apps":
            setWorkloadDefaults(&value, type)
        case "services":
            guard var spec = value.member("spec") else { return }
            spec.setDefault("type", .string("ClusterIP"))
            spec.setDefault("sessionAffinity", .string("None"))
            spec.setDefault("internalTrafficPolicy", .string("Cluster"))
            spec.changeElements("ports") { port in
                port.setDefault("protocol", .string("TCP"))
                port.setDefault("targetPort", port.member("port"))
            }
            value.set("spec", spec)
        case "secrets":
            var data = value.member("data") ?? .empty
            for member in value.member("stringData")?.members ?? [] {
                data.set(member.name, .string(Data((member.value.string ?? "").utf8).base64EncodedString()))
            }
            if !data.isBlank { value.set("data", data) }
            value.set("stringData", nil)
            value.setDefault("type", .string("Opaque"))
        case "namespaces":
            if let name = value.text("metadata", "name"), !name.isEmpty {
                value.set(["metadata", "labels", "kubernetes.io/metadata.name"], .string(name))
            }
        case "networkpolicies.networking.k8s.io":
            guard var spec = value.member("spec") else { return }
            let types = ["Ingress"] + (spec.member("egress")?.isBlank == false ? ["Egress"] : [])
            spec.setDefault("policyTypes", .strings(types))
            value.set("spec", spec)
        case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            if value.member("roleRef") != nil {
                value.set(["roleRef", "apiGroup"], .string("rbac.authorization.k8s.io"))
            }
            value.changeElements("subjects") { subject in
                if subject.text("kind") != "ServiceAccount" {
                    subject.setDefault("apiGroup", .string("rbac.authorization.k8s.io"))
                }
            }
        default: break
        }
    }

    /// The times of conditions that are not set are null, and not left out.
    private static func setTimes(_ value: inout JSONValue, _ names: [String]) {
        guard var status = value.member("status") else { return }
        status.changeElements("conditions") { condition in
            for name in names { condition.setDefault(name, .null) }
        }
        value.set("status", status)
    }

    static func setPodDefaults(_ spec: inout JSONValue) {
        if spec.text("nodeName") == "" { spec.set("nodeName", nil) }
        spec.setDefault("restartPolicy", .string("Always"))
        spec.setDefault("terminationGracePeriodSeconds", .integer(30))
        spec.setDefault("dnsPolicy", .string("ClusterFirst"))
        spec.setDefault("schedulerName", .string("default-scheduler"))
        spec.setDefault("securityContext", .empty)
        for list in ["containers", "initContainers"] {
            spec.changeElements(list) { container in
                container.setDefault("terminationMessagePath", .string("/dev/termination-log"))
                container.setDefault("terminationMessagePolicy", .string("File"))
                container.setDefault("resources", .empty)
                let image = container.text("image") ?? ""
                let tag = image.split(separator: "/").last?.split(separator: ":").dropFirst().first
                let isLatest = !image.contains("@") && (tag == nil || tag == "latest")
                container.setDefault("imagePullPolicy", .string(isLatest ? "Always" : "IfNotPresent"))
                container.changeElements("ports") { $0.setDefault("protocol", .string("TCP")) }
                // What is limited and not requested is requested.
                for member in container.at("resources", "limits")?.members ?? []
                where container.at("resources", "requests", member.name) == nil {
                    container.set(["resources", "requests", member.name], member.value)
                }
            }
        }
    }

    private static func setWorkloadDefaults(_ value: inout JSONValue, _ type: ResourceType) {
        guard var spec = value.member("spec") else { return }
        if type.plural != "daemonsets" { spec.setDefault("replicas", .integer(1)) }
        if type.plural != "replicasets" { spec.setDefault("revisionHistoryLimit", .integer(10)) }
        switch type.plural {
        case "deployments":
            spec.setDefault("progressDeadlineSeconds", .integer(600))
            if spec.text("strategy", "type") == nil { spec.set(["strategy", "type"], .string("RollingUpdate")) }
            if spec.text("strategy", "type") == "RollingUpdate" {
                var rolling = spec.at("strategy", "rollingUpdate") ?? .empty
                rolling.setDefault("maxSurge", .string("25%"))
                rolling.setDefault("maxUnavailable", .string("25%"))
                spec.set(["strategy", "rollingUpdate"], rolling)
            }
        case "daemonsets":
            if spec.text("updateStrategy", "type") == nil {
                spec.set(["updateStrategy", "type"], .string("RollingUpdate"))
            }
            if spec.text("updateStrategy", "type") == "RollingUpdate" {
                var rolling = spec.at("updateStrategy", "rollingUpdate") ?? .empty
                rolling.setDefault("maxSurge", .integer(0))
                rolling.setDefault("maxUnavailable", .integer(1))
                spec.set(["updateStrategy", "rollingUpdate"], rolling)
            }
        case "statefulsets":
            spec.setDefault("podManagementPolicy", .string("OrderedReady"))
            if spec.text("updateStrategy", "type") == nil {
                spec.set(["updateStrategy", "type"], .string("RollingUpdate"))
            }
        default: break
        }
        if var pod = spec.at("template", "spec") {
            setPodDefaults(&pod)
            spec.set(["template", "spec"], pod)
        }
        value.set("spec", spec)
    }

    // MARK: - Making and changing

    static func prepareCreate(_ value: inout JSONValue, _ type: ResourceType, _ now: StandInTime) {
        switch type.storage {
        case "pods":
            let spec = value.member("spec") ?? .empty
            value.set("status", .map(["phase": .string("Pending"), "qosClass": .string(PodRules.qosClass(of: spec))]))
            if var spec = value.member("spec") {
                spec.setDefault("serviceAccountName", .string("default"))
                spec.setDefault("serviceAccount", spec.member("serviceAccountName"))
                spec.setDefault("preemptionPolicy", .string("PreemptLowerPriority"))
                spec.setDefault("priority", .integer(0))
                PodRules.addTolerations(&spec)
                value.set("spec", spec)
            }
        case "namespaces":
            value.set("status", .map(["phase": .string("Active")]))
            value.set(["spec", "finalizers"], .strings(["kubernetes"]))
            value.set(
                ["metadata", "labels", "kubernetes.io/metadata.name"], .string(value.text("metadata", "name") ?? ""))
        case "services":
            value.set("status", .map(["loadBalancer": .empty]))
            setClusterAddress(&value)
        case "poddisruptionbudgets.policy":
            let names = ["currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"]
            value.set("status", .map(names.map { ($0, .integer(0)) }))
        case "nodes", "persistentvolumeclaims": break
        case "customresourcedefinitions.apiextensions.k8s.io": value.set("status", nil)
        default:
            if type.hasStatus, !type.isCustom { value.set("status", .empty) }
        }
    }

    static func prepareUpdate(
        _ value: inout JSONValue, from old: JSONValue, _ type: ResourceType, subresource: String
    ) {
        switch type.storage {
        case "pods" where subresource.isEmpty: PodRules.keepAdmitted(&value, from: old)
        case "namespaces" where subresource != "finalize":
            value.set(["spec", "finalizers"], old.at("spec", "finalizers"))
        case "services" where subresource.isEmpty:
            guard var spec = value.member("spec") else { return }
            for name in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                spec.setDefault(name, old.at("spec", name))
            }
            value.set("spec", spec)
        default: break
        }
    }

    /// Gives a service an address of the cluster, which depends on its name alone.
    private static func setClusterAddress(_ value: inout JSONValue) {
        guard value.text("spec", "type") != "ExternalName", (value.text("spec", "clusterIP") ?? "").isEmpty else {
            return
        }
        let name = "\(value.text("metadata", "namespace") ?? "")/\(value.text("metadata", "name") ?? "")"
        var hash: UInt32 = 2_166_136_261
        for byte in name.utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let address = JSONValue.string("10.96.\(hash >> 8 & 0xFF).\(hash & 0xFF)")
        value.set(["spec", "clusterIP"], address)
        value.set(["spec", "clusterIPs"], .array([address]))
        value.set(["spec", "ipFamilies"], .strings(["IPv4"]))
        value.set(["spec", "ipFamilyPolicy"], .string("SingleStack"))
    }

    /// Whether an object that is being deleted has other things to wait for than finalizers.
    static func staysWhileDeleted(_ value: JSONValue, _ type: ResourceType) -> Bool {
        type.storage == "namespaces" && value.at("spec", "finalizers")?.isBlank == false
    }

    // MARK: - Validation

    static func errors(_ value: JSONValue, _ type: ResourceType) -> [FieldError] {
        switch type.storage {
        case "pods": return PodRules.errors(value.member("spec") ?? .empty, "spec")
        case "deployments.apps", "daemonsets.apps", "replicasets.apps", "statefulsets.apps":
            var errors: [FieldError] = []
            let spec = value.member("spec") ?? .empty
            if spec.member("selector") == nil || spec.member("selector")?.isBlank == true {
                errors.append(.required("spec.selector"))
            } else if !LabelSelector(object: spec.member("selector") ?? .empty)
                .matches(spec.at("template", "metadata", "labels"))
            {
                errors.append(
                    .invalid(
                        "spec.template.metadata.labels", spec.at("template", "metadata", "labels") ?? .null,
                        "`selector` does not match template `labels`"))
            }
            if let replicas = spec.member("replicas")?.integer, replicas < 0 {
                errors.append(.invalid("spec.replicas", .integer(replicas), "must be greater than or equal to 0"))
            }
            return errors + PodRules.errors(spec.at("template", "spec") ?? .empty, "spec.template.spec")
        case "services":
            let ports = value.at("spec", "ports")?.array ?? []
            let type = value.text("spec", "type") ?? ""
            if ports.isEmpty, type != "ExternalName", value.text("spec", "clusterIP") != "None" {
                return [.required("spec.ports")]
            }
            return []
        case "leases.coordination.k8s.io":
            var errors: [FieldError] = []
            for name in ["leaseDurationSeconds"] {
                if let number = value.at("spec", name)?.integer, number <= 0 {
                    errors.append(.invalid("spec.\(name)", .integer(number), "must be greater than 0"))
                }
            }
            if let number = value.at("spec", "leaseTransitions")?.integer, number < 0 {
                errors.append(
                    .invalid("spec.leaseTransitions", .integer(number), "must be greater than or equal to 0"))
            }
            return errors
        case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            return (value.text("roleRef", "name") ?? "").isEmpty ? [.required("roleRef.name")] : []
        case "customresourcedefinitions.apiextensions.k8s.io": return CustomResourceRules.errors(value)
        default: return []
        }
    }

    static func changeErrors(from old: JSONValue, to new: JSONValue, _ type: ResourceType) -> [FieldError] {
        func immutable(_ path: String...) -> [FieldError] {
            let (before, after) = (old.at(path[...]), new.at(path[...]))
            return before == nil || before == after
                ? [] : [.invalid(path.joined(separator: "."), after ?? .null, "field is immutable")]
        }
        switch type.storage {
        case "pods": return PodRules.changeErrors(from: old, to: new)
        case "deployments.apps", "daemonsets.apps", "replicasets.apps", "statefulsets.apps":
            return immutable("spec", "selector")
        case "configmaps", "secrets":
            guard old.member("immutable")?.boolean == true else { return immutable("type") }
            return old.member("data") == new.member("data") && new.member("immutable")?.boolean == true
                ? [] : [.forbidden("data", "field is immutable when `immutable` is set")]
        case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io":
            return old.member("roleRef") == new.member("roleRef")
                ? [] : [.invalid("roleRef", new.member("roleRef") ?? .null, "cannot change roleRef")]
        default: return []
        }
    }
}

extension JSONValue {
    /// Sets a member that is missing.
    mutating func setDefault(_ name: String, _ value: JSONValue?) {
        if member(name) == nil, let value { set(name, value) }
    }

    /// Changes each element of a list.
    mutating func changeElements(_ name: String, _ body: (inout JSONValue) -> Void) {
        guard let elements = member(name)?.array else { return }
        set(
            name,
            .array(
                elements.map { element in
                    var element = element
                    body(&element)
                    return element
                }))
    }
}
