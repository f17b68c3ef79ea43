extension BuiltinTypes {
    /// The types that every kind has, and those of the other groups.
    static let groups = """
        package io.k8s.apimachinery.pkg.apis.meta.v1
        Condition = lastTransitionTime.4:time! message.6:string! observedGeneration.3:int64 reason.5:string!
            status.2:string! type.1:string!
        DeleteOptions = apiVersion:string dryRun.5:[string] gracePeriodSeconds.1:int64
            ignoreStoreReadErrorWithClusterBreakingPotential.6:bool kind:string orphanDependents.3:bool
            preconditions.2:Preconditions propagationPolicy.4:string
        FieldSelectorRequirement = key.1:string! operator.2:string! values.3:[string]
        LabelSelector = matchExpressions.2:[LabelSelectorRequirement] matchLabels.1:{string}
        LabelSelectorRequirement = key.1:string! operator.2:string! values.3:[string]
        ManagedFieldsEntry = apiVersion.3:string fieldsType.6:string fieldsV1.7:any manager.1:string operation.2:string
            subresource.8:string time.4:time
        ObjectMeta = annotations.12:{string} creationTimestamp.8:time deletionGracePeriodSeconds.10:int64
            deletionTimestamp.9:time finalizers.14:[string|*] generateName.2:string generation.7:int64
            labels.11:{string} managedFields.17:[ManagedFieldsEntry] name.1:string namespace.3:string
            ownerReferences.13:[OwnerReference|uid] resourceVersion.6:string selfLink.4:string uid.5:string
        OwnerReference = apiVersion.5:string! blockOwnerDeletion.7:bool controller.6:bool kind.1:string! name.3:string!
            uid.4:string!
        Preconditions = resourceVersion.2:string uid.1:string

        package io.k8s.api.apps.v1
        ControllerRevision = apiVersion:string data.2:any kind:string metadata.1:ObjectMeta revision.3:int64!
        DaemonSet = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:DaemonSetSpec status.3:DaemonSetStatus
        DaemonSetCondition = lastTransitionTime.3:time message.5:string reason.4:string status.2:string! type.1:string!
        DaemonSetSpec = minReadySeconds.4:int32 revisionHistoryLimit.6:int32 selector.1:LabelSelector~!
            template.2:PodTemplateSpec! updateStrategy.3:DaemonSetUpdateStrategy
        DaemonSetStatus = collisionCount.9:int32 conditions.10:[DaemonSetCondition|type] currentNumberScheduled.1:int32!
            desiredNumberScheduled.3:int32! numberAvailable.7:int32 numberMisscheduled.2:int32! numberReady.4:int32!
            numberUnavailable.8:int32 observedGeneration.5:int64 updatedNumberScheduled.6:int32
        DaemonSetUpdateStrategy = rollingUpdate.2:RollingUpdateDaemonSet type.1:string
        Deployment = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:DeploymentSpec status.3:DeploymentStatus
        DeploymentCondition = lastTransitionTime.7:time lastUpdateTime.6:time message.5:string reason.4:string
            status.2:string! type.1:string!
        DeploymentSpec = minReadySeconds.5:int32 paused.7:bool progressDeadlineSeconds.9:int32 replicas.1:int32
            revisionHistoryLimit.6:int32 selector.2:LabelSelector~! strategy.4:DeploymentStrategy
            template.3:PodTemplateSpec!
        DeploymentStatus = availableReplicas.4:int32 collisionCount.8:int32 conditions.6:[DeploymentCondition|type]
            observedGeneration.1:int64 readyReplicas.7:int32 replicas.2:int32 terminatingReplicas.9:int32
            unavailableReplicas.5:int32 updatedReplicas.3:int32
        DeploymentStrategy = rollingUpdate.2:RollingUpdateDeployment type.1:string
        ReplicaSet = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:ReplicaSetSpec status.3:ReplicaSetStatus
        ReplicaSetCondition = lastTransitionTime.3:time message.5:string reason.4:string status.2:string! type.1:string!
        ReplicaSetSpec = minReadySeconds.4:int32 replicas.1:int32 selector.2:LabelSelector~! template.3:PodTemplateSpec
        ReplicaSetStatus = availableReplicas.5:int32 conditions.6:[ReplicaSetCondition|type]
            fullyLabeledReplicas.2:int32 observedGeneration.3:int64 readyReplicas.4:int32 replicas.1:int32!
            terminatingReplicas.7:int32
        RollingUpdateDaemonSet = maxSurge.2:intOrString maxUnavailable.1:intOrString
        RollingUpdateDeployment = maxSurge.2:intOrString maxUnavailable.1:intOrString
        RollingUpdateStatefulSetStrategy = maxUnavailable.2:intOrString partition.1:int32
        StatefulSet = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:StatefulSetSpec
            status.3:StatefulSetStatus
        StatefulSetCondition = lastTransitionTime.3:time message.5:string reason.4:string status.2:string!
            type.1:string!
        StatefulSetOrdinals = start.1:int32
        StatefulSetPersistentVolumeClaimRetentionPolicy = whenDeleted.1:string whenScaled.2:string
        StatefulSetSpec = minReadySeconds.9:int32 ordinals.11:StatefulSetOrdinals
            persistentVolumeClaimRetentionPolicy.10:StatefulSetPersistentVolumeClaimRetentionPolicy
            podManagementPolicy.6:string replicas.1:int32 revisionHistoryLimit.8:int32 selector.2:LabelSelector~!
            serviceName.5:string template.3:PodTemplateSpec! updateStrategy.7:StatefulSetUpdateStrategy
            volumeClaimTemplates.4:[PersistentVolumeClaim]
        StatefulSetStatus = availableReplicas.11:int32 collisionCount.9:int32 conditions.10:[StatefulSetCondition|type]
            currentReplicas.4:int32 currentRevision.6:string observedGeneration.1:int64 readyReplicas.3:int32
            replicas.2:int32! updateRevision.7:string updatedReplicas.5:int32
        StatefulSetUpdateStrategy = rollingUpdate.2:RollingUpdateStatefulSetStrategy type.1:string

        package io.k8s.api.authentication.v1
        BoundObjectReference = apiVersion.2:string kind.1:string name.3:string uid:string
        SelfSubjectReview = apiVersion:string kind:string metadata.1:ObjectMeta status.2:SelfSubjectReviewStatus
        SelfSubjectReviewStatus = userInfo.1:UserInfo
        TokenRequest = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:TokenRequestSpec
            status.3:TokenRequestStatus
        TokenRequestSpec = audiences.1:[string] boundObjectRef.3:BoundObjectReference expirationSeconds.4:int64
        TokenRequestStatus = expirationTimestamp.2:time token.1:string
        TokenReview = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:TokenReviewSpec!
            status.3:TokenReviewStatus
        TokenReviewSpec = audiences.2:[string] token.1:string!
        TokenReviewStatus = audiences.4:[string] authenticated.1:bool error.3:string user.2:UserInfo
        UserInfo = extra.4:{string} groups.3:[string] uid.2:string username.1:string

        package io.k8s.api.authorization.v1
        FieldSelectorAttributes = rawSelector.1:string requirements.2:[FieldSelectorRequirement]
        LabelSelectorAttributes = rawSelector.1:string requirements.2:[LabelSelectorRequirement]
        LocalSubjectAccessReview = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:SubjectAccessReviewSpec!
            status.3:SubjectAccessReviewStatus
        NonResourceAttributes = path.1:string verb.2:string
        NonResourceRule = nonResourceURLs.2:[string] verbs.1:[string]!
        ResourceAttributes = fieldSelector.8:FieldSelectorAttributes group.3:string
            labelSelector.9:LabelSelectorAttributes name.7:string namespace.1:string resource.5:string
            subresource.6:string verb.2:string version.4:string
        ResourceRule = apiGroups.2:[string] resourceNames.4:[string] resources.3:[string] verbs.1:[string]!
        SelfSubjectAccessReview = apiVersion:string kind:string metadata.1:ObjectMeta
            spec.2:SelfSubjectAccessReviewSpec! status.3:SubjectAccessReviewStatus
        SelfSubjectAccessReviewSpec = nonResourceAttributes.2:NonResourceAttributes
            resourceAttributes.1:ResourceAttributes
        SelfSubjectRulesReview = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:SelfSubjectRulesReviewSpec!
            status.3:SubjectRulesReviewStatus
        SelfSubjectRulesReviewSpec = namespace.1:string
        SubjectAccessReview = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:SubjectAccessReviewSpec!
            status.3:SubjectAccessReviewStatus
        SubjectAccessReviewSpec = extra.5:{string} groups.4:[string] nonResourceAttributes.2:NonResourceAttributes
            resourceAttributes.1:ResourceAttributes uid.6:string user.3:string
        SubjectAccessReviewStatus = allowed.1:bool! denied.4:bool evaluationError.3:string reason.2:string
        SubjectRulesReviewStatus = evaluationError.4:string incomplete.3:bool! nonResourceRules.2:[NonResourceRule]!
            resourceRules.1:[ResourceRule]!

        package io.k8s.api.autoscaling.v1
        Scale = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:ScaleSpec status.3:ScaleStatus
        ScaleSpec = replicas.1:int32
        ScaleStatus = replicas.1:int32! selector.2:string

        package io.k8s.api.batch.v1
        CronJob = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:CronJobSpec! status.3:CronJobStatus
        CronJobSpec = concurrencyPolicy.3:string failedJobsHistoryLimit.7:int32 jobTemplate.5:JobTemplateSpec!
            schedule.1:string! startingDeadlineSeconds.2:int64 successfulJobsHistoryLimit.6:int32 suspend.4:bool
            timeZone.8:string
        CronJobStatus = active.1:[ObjectReference] lastScheduleTime.4:time lastSuccessfulTime.5:time
        Job = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:JobSpec status.3:JobStatus
        JobCondition = lastProbeTime.3:time lastTransitionTime.4:time message.6:string reason.5:string status.2:string!
            type.1:string!
        JobSpec = activeDeadlineSeconds.3:int64 backoffLimit.7:int32 backoffLimitPerIndex.12:int32
            completionMode.9:string completions.2:int32 managedBy.15:string manualSelector.5:bool
            maxFailedIndexes.13:int32 parallelism.1:int32 podFailurePolicy.11:PodFailurePolicy
            podReplacementPolicy.14:string selector.4:LabelSelector~ successPolicy.16:SuccessPolicy suspend.10:bool
            template.6:PodTemplateSpec! ttlSecondsAfterFinished.8:int32
        JobStatus = active.4:int32 completedIndexes.7:string completionTime.3:time conditions.1:[JobCondition]
            failed.6:int32 failedIndexes.10:string ready.9:int32 startTime.2:time succeeded.5:int32 terminating.11:int32
            uncountedTerminatedPods.8:UncountedTerminatedPods
        JobTemplateSpec = metadata.1:ObjectMeta spec.2:JobSpec
        PodFailurePolicy = rules.1:[PodFailurePolicyRule]!
        PodFailurePolicyOnExitCodesRequirement = containerName.1:string operator.2:string! values.3:[int32|*]!
        PodFailurePolicyOnPodConditionsPattern = status.2:string type.1:string!
        PodFailurePolicyRule = action.1:string! onExitCodes.2:PodFailurePolicyOnExitCodesRequirement
            onPodConditions.3:[PodFailurePolicyOnPodConditionsPattern]
        SuccessPolicy = rules.1:[SuccessPolicyRule]!
        SuccessPolicyRule = succeededCount.2:int32 succeededIndexes.1:string
        UncountedTerminatedPods = failed.2:[string|*] succeeded.1:[string|*]

        package io.k8s.api.coordination.v1
        Lease = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:LeaseSpec
        LeaseSpec = acquireTime.3:microTime holderIdentity.1:string leaseDurationSeconds.2:int32
            leaseTransitions.5:int32 preferredHolder.7:string renewTime.4:microTime strategy.6:string

        package io.k8s.api.discovery.v1
        Endpoint = addresses.1:[string|*]! conditions.2:EndpointConditions deprecatedTopology.5:{string}
            hints.8:EndpointHints hostname.3:string nodeName.6:string targetRef.4:ObjectReference~ zone.7:string
        EndpointConditions = ready.1:bool serving.2:bool terminating.3:bool
        EndpointHints = forNodes.2:[ForNode] forZones.1:[ForZone]
        EndpointPort = appProtocol.4:string name.1:string port.3:int32 protocol.2:string
        EndpointSlice = addressType.4:string! apiVersion:string endpoints.2:[Endpoint] kind:string metadata.1:ObjectMeta
            ports.3:[EndpointPort]
        ForNode = name.1:string!
        ForZone = name.1:string!

        package io.k8s.api.events.v1
        Event = action.6:string apiVersion:string deprecatedCount.15:int32 deprecatedFirstTimestamp.13:time
            deprecatedLastTimestamp.14:time deprecatedSource.12:EventSource eventTime.2:microTime! kind:string
            metadata.1:ObjectMeta note.10:string reason.7:string regarding.8:ObjectReference~ related.9:ObjectReference~
            reportingController.4:string reportingInstance.5:string series.3:EventSeries type.11:string
        EventSeries = count.1:int32! lastObservedTime.2:microTime!

        package io.k8s.api.networking.v1
        HTTPIngressPath = backend.2:IngressBackend! path.1:string pathType.3:string!
        HTTPIngressRuleValue = paths.1:[HTTPIngressPath]!
        IPBlock = cidr.1:string! except.2:[string]
        Ingress = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:IngressSpec status.3:IngressStatus
        IngressBackend = resource.3:TypedLocalObjectReference~ service.4:IngressServiceBackend
        IngressLoadBalancerIngress = hostname.2:string ip.1:string ports.4:[IngressPortStatus]
        IngressLoadBalancerStatus = ingress.1:[IngressLoadBalancerIngress]
        IngressPortStatus = error.3:string port.1:int32! protocol.2:string!
        IngressRule = host.1:string http.2.1:HTTPIngressRuleValue
        IngressServiceBackend = name.1:string! port.2:ServiceBackendPort~
        IngressSpec = defaultBackend.1:IngressBackend ingressClassName.4:string rules.3:[IngressRule] tls.2:[IngressTLS]
        IngressStatus = loadBalancer.1:IngressLoadBalancerStatus
        IngressTLS = hosts.1:[string] secretName.2:string
        NetworkPolicy = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:NetworkPolicySpec
        NetworkPolicyEgressRule = ports.1:[NetworkPolicyPort] to.2:[NetworkPolicyPeer]
        NetworkPolicyIngressRule = from.2:[NetworkPolicyPeer] ports.1:[NetworkPolicyPort]
        NetworkPolicyPeer = ipBlock.3:IPBlock namespaceSelector.2:LabelSelector~ podSelector.1:LabelSelector~
        NetworkPolicyPort = endPort.3:int32 port.2:intOrString protocol.1:string
        NetworkPolicySpec = egress.3:[NetworkPolicyEgressRule] ingress.2:[NetworkPolicyIngressRule]
            podSelector.1:LabelSelector~ policyTypes.4:[string]
        ServiceBackendPort = name.1:string number.2:int32

        package io.k8s.api.policy.v1
        Eviction = apiVersion:string deleteOptions.2:DeleteOptions kind:string metadata.1:ObjectMeta
        PodDisruptionBudget = apiVersion:string kind:string metadata.1:ObjectMeta spec.2:PodDisruptionBudgetSpec
            status.3:PodDisruptionBudgetStatus
        PodDisruptionBudgetSpec = maxUnavailable.3:intOrString minAvailable.1:intOrString selector.2:LabelSelector~
            unhealthyPodEvictionPolicy.4:string
        PodDisruptionBudgetStatus = conditions.7:[Condition|type] currentHealthy.4:int32 desiredHealthy.5:int32
            disruptedPods.2:{time} disruptionsAllowed.3:int32 expectedPods.6:int32 observedGeneration.1:int64

        package io.k8s.api.rbac.v1
        AggregationRule = clusterRoleSelectors.1:[LabelSelector]
        ClusterRole = aggregationRule.3:AggregationRule apiVersion:string kind:string metadata.1:ObjectMeta
            rules.2:[PolicyRule]
        ClusterRoleBinding = apiVersion:string kind:string metadata.1:ObjectMeta roleRef.3:RoleRef~!
            subjects.2:[Subject]
        PolicyRule = apiGroups.2:[string] nonResourceURLs.5:[string] resourceNames.4:[string] resources.3:[string]
            verbs.1:[string]!
        Role = apiVersion:string kind:string metadata.1:ObjectMeta rules.2:[PolicyRule]
        RoleBinding = apiVersion:string kind:string metadata.1:ObjectMeta roleRef.3:RoleRef~! subjects.2:[Subject]
        RoleRef = apiGroup.1:string kind.2:string! name.3:string!
        Subject = apiGroup.2:string kind.1:string! name.3:string! namespace.4:string

        package io.k8s.api.scheduling.v1
        PriorityClass = apiVersion:string description.4:string globalDefault.3:bool kind:string metadata.1:ObjectMeta
            preemptionPolicy.5:string value.2:int32
        """
}
