import WireJSON

/// The kinds that are served from the beginning.
enum BuiltinResources {
    /// One kind a line: group and version, kind, plural, short names or `-`, scope, then what is particular:
    /// `status`, `scale` and other subresources, `generation`, `versioned` (an update needs a resourceVersion), `upsert`
    /// (an update may create), `virtual` (answered, not stored).
    private static let table = """
        v1 Namespace namespaces ns cluster status finalize
        v1 Node nodes no cluster status
        v1 Pod pods po namespaced status binding eviction log ephemeralcontainers resize generation
        v1 Binding bindings - namespaced virtual
        v1 ConfigMap configmaps cm namespaced
        v1 Secret secrets - namespaced
        v1 ServiceAccount serviceaccounts sa namespaced token
        v1 Service services svc namespaced status upsert
        v1 Endpoints endpoints ep namespaced upsert
        v1 Event events ev namespaced upsert
        v1 PersistentVolume persistentvolumes pv cluster status
        v1 PersistentVolumeClaim persistentvolumeclaims pvc namespaced status
        v1 PodTemplate podtemplates - namespaced generation
        v1 ReplicationController replicationcontrollers rc namespaced status scale generation
        v1 ResourceQuota resourcequotas quota namespaced status
        v1 LimitRange limitranges limits namespaced
        apps/v1 Deployment deployments deploy namespaced status scale generation
        apps/v1 DaemonSet daemonsets ds namespaced status generation
        apps/v1 ReplicaSet replicasets rs namespaced status scale generation
        apps/v1 StatefulSet statefulsets sts namespaced status scale generation
        apps/v1 ControllerRevision controllerrevisions - namespaced
        batch/v1 Job jobs - namespaced status generation
        batch/v1 CronJob cronjobs cj namespaced status generation
        coordination.k8s.io/v1 Lease leases - namespaced upsert versioned
        discovery.k8s.io/v1 EndpointSlice endpointslices - namespaced generation
        events.k8s.io/v1 Event events ev namespaced upsert
        networking.k8s.io/v1 NetworkPolicy networkpolicies netpol namespaced generation
        networking.k8s.io/v1 Ingress ingresses ing namespaced status generation
        policy/v1 PodDisruptionBudget poddisruptionbudgets pdb namespaced status generation versioned
        rbac.authorization.k8s.io/v1 ClusterRole clusterroles - cluster upsert
        rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings - cluster upsert
        rbac.authorization.k8s.io/v1 Role roles - namespaced upsert
        rbac.authorization.k8s.io/v1 RoleBinding rolebindings - namespaced upsert
        scheduling.k8s.io/v1 PriorityClass priorityclasses pc cluster generation
        storage.k8s.io/v1 StorageClass storageclasses sc cluster
        storage.k8s.io/v1 CSINode csinodes - cluster
        admissionregistration.k8s.io/v1 MutatingWebhookConfiguration mutatingwebhookconfigurations - cluster generation
        admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration validatingwebhookconfigurations - cluster generation
        admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy validatingadmissionpolicies - cluster status generation
        admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings - cluster generation
        apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions crd,crds cluster status generation versioned
        authentication.k8s.io/v1 SelfSubjectReview selfsubjectreviews - cluster virtual
        authentication.k8s.io/v1 TokenReview tokenreviews - cluster virtual
        authorization.k8s.io/v1 SelfSubjectAccessReview selfsubjectaccessreviews - cluster virtual
        authorization.k8s.io/v1 SelfSubjectRulesReview selfsubjectrulesreviews - cluster virtual
        authorization.k8s.io/v1 SubjectAccessReview subjectaccessreviews - cluster virtual
        authorization.k8s.io/v1 LocalSubjectAccessReview localsubjectaccessreviews - namespaced virtual
        """

    /// The kinds, in order.
    static let all: [ResourceType] = table.split(separator: "\n").compactMap(read)

    /// What tables show of all controllers of pods and the like.
    private static let inAll: Set<String> = [
        "pods", "services", "deployments", "daemonsets", "replicasets", "statefulsets", "replicationcontrollers",
        "jobs",
        "cronjobs",
    ]

    private static let selectable: [String: [String]] = [
        "pods": [
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.nominatedNodeName",
        ],
        "events": [
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
            "reportingComponent", "source", "type",
        ],
        "events.events.k8s.io": [
            "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason", "reportingController",
            "type",
        ],
        "nodes": ["spec.unschedulable"],
        "namespaces": ["status.phase"],
        "secrets": ["type"],
        "services": ["spec.clusterIP", "spec.type"],
        "replicasets.apps": ["status.replicas"],
        "jobs.batch": ["status.successful"],
    ]

    private static func read(_ line: Substring) -> ResourceType? {
        let words = line.split(separator: " ").map(String.init)
        guard words.count >= 5 else { return nil }
        var content = ResourceType.Content()
        let parts = words[0].split(separator: "/").map(String.init)
        content.group = parts.count == 2 ? parts[0] : ""
        content.version = parts[parts.count - 1]
        content.kind = words[1]
        content.listKind = words[1] + "List"
        content.plural = words[2]
        content.singular = words[1].lowercased()
        if words[3] != "-" { content.shortNames = words[3].split(separator: ",").map(String.init) }
        content.isNamespaced = words[4] == "namespaced"
        for word in words.dropFirst(5) {
            switch word {
            case "generation": content.countsGenerations = true
            case "versioned": content.updatesUnconditionally = false
            case "upsert": content.createsOnUpdate = true
            case "virtual": content.isVirtual = true
            default: content.subresources.insert(word)
            }
        }
        let qualified = content.group.isEmpty ? content.plural : "\(content.plural).\(content.group)"
        content.storage = qualified == "events.events.k8s.io" ? "events" : qualified
        if inAll.contains(content.plural) { content.categories = ["all"] }
        if content.group == "apiextensions.k8s.io" { content.categories = ["api-extensions"] }
        content.selectableFields = selectable[qualified] ?? []
        let package =
            content.group.isEmpty ? "core" : content.group.split(separator: ".").first.map(String.init) ?? ""
        content.schemaName = "io.k8s.api.\(package).\(content.version).\(content.kind)"
        content.schema =
            BuiltinTypes.schema(content.schemaName)
            ?? Schema(.object).with { schema in
                schema.preservesUnknown = true
                schema.properties["metadata"] = BuiltinTypes.metadata
            }
        content.columns = BuiltinColumns.columns(of: qualified)
        return ResourceType(content)
    }
}
