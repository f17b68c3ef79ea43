import Domain

extension NodeUpdate {
    /// Parses a registration or refresh (domain specification, section 1.3, rule 6). The URLs are not checked here: an
    /// invalid URL has another answer than a malformed message.
    ///
    /// - Throws: ``WireError`` if the node id is not a UUID, a provider has no name or class, or there is too much
    ///   text.
    package init(wire: EdgelessApi_UpdateNodeRequest) throws(WireError) {
        let node = try NodeID(wire: wire.nodeID, "node_id")
        var providers: [ResourceProvider] = []
        for (index, provider) in wire.resourceProviders.enumerated() {
            guard !provider.providerID.isEmpty else {
                throw WireError("resource_providers[\(index)].provider_id is empty: each provider needs a name")
            }
            guard !provider.classType.isEmpty else {
                throw WireError("resource_providers[\(index)].class_type is empty: each provider needs a class")
            }
            providers.append(
                ResourceProvider(id: provider.providerID, classType: provider.classType, outputs: provider.outputs))
        }
        let capabilities = wire.capabilities
        try TextLimit.check(
            "resource_providers and capabilities",
            [wire.agentURL, wire.invocationURL, capabilities.modelNameCpu, capabilities.modelNameGpu],
            capabilities.labels, capabilities.runtimes,
            providers.flatMap { [$0.id, $0.classType] + $0.outputs })
        self.init(
            node: node,
            description: NodeDescription(
                agentURL: wire.agentURL, invocationURL: wire.invocationURL, providers: providers,
                capabilities: NodeCapabilities(wire: wire.capabilities)),
            refreshDeadline: wire.refreshDeadline, nonce: wire.nonce, health: NodeHealth(wire: wire.healthStatus),
            samples: PerformanceSamples(wire: wire.performanceSamples))
    }
}

extension EdgelessApi_UpdateNodeRequest {
    /// Creates the message of an update.
    package init(_ update: NodeUpdate) {
        self.init()
        nodeID = update.node.description
        agentURL = update.description.agentURL
        invocationURL = update.description.invocationURL
        resourceProviders = update.description.providers.map { provider in
            var message = EdgelessApi_ResourceProviderSpecification()
            message.providerID = provider.id
            message.classType = provider.classType
            message.outputs = provider.outputs
            return message
        }
        capabilities = EdgelessApi_NodeCapabilities(update.description.capabilities)
        refreshDeadline = update.refreshDeadline
        nonce = update.nonce
        healthStatus = EdgelessApi_NodeHealthStatus(update.health)
        performanceSamples = EdgelessApi_NodePerformanceSamples(update.samples)
    }
}

extension EdgelessApi_UpdateNodeResponse {
    /// Creates the answer; accepted if there is no refusal.
    package init(_ refusal: DomainRefusal?) {
        self.init()
        if let refusal { responseError = EdgelessApi_ResponseError(refusal) }
    }

    /// Why the update was refused; nil if it was accepted.
    package var refusal: DomainRefusal? { hasResponseError ? DomainRefusal(wire: responseError) : nil }
}

extension NodeCapabilities {
    fileprivate init(wire: EdgelessApi_NodeCapabilities) {
        self.init()
        cpus = wire.numCpus
        cpuModel = wire.modelNameCpu
        cpuFrequency = wire.clockFreqCpu
        cores = wire.numCores
        memoryMiB = wire.memSize
        labels = wire.labels
        hasTEE = wire.isTeeRunning
        hasTPM = wire.hasTpm_p
        runtimes = wire.runtimes
        diskMiB = wire.diskTotSpace
        gpus = wire.numGpus
        gpuModel = wire.modelNameGpu
        gpuMemoryMiB = wire.memSizeGpu
    }
}

extension EdgelessApi_NodeCapabilities {
    fileprivate init(_ capabilities: NodeCapabilities) {
        self.init()
        numCpus = capabilities.cpus
        modelNameCpu = capabilities.cpuModel
        clockFreqCpu = capabilities.cpuFrequency
        numCores = capabilities.cores
        memSize = capabilities.memoryMiB
        labels = capabilities.labels
        isTeeRunning = capabilities.hasTEE
        hasTpm_p = capabilities.hasTPM
        runtimes = capabilities.runtimes
        diskTotSpace = capabilities.diskMiB
        numGpus = capabilities.gpus
        modelNameGpu = capabilities.gpuModel
        memSizeGpu = capabilities.gpuMemoryMiB
    }
}
