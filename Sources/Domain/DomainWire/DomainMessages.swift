import Domain

extension EdgelessApi_UpdateDomainRequest {
    /// Creates the message of an update. Sets are sorted so that equal updates give equal bytes.
    package init(_ update: DomainUpdate) {
        self.init()
        domainID = update.domainID
        orchestratorURL = update.orchestratorURL
        capabilities = EdgelessApi_DomainCapabilities(update.capabilities)
        refreshDeadline = update.refreshDeadline
        counter = update.counter
        nonce = update.nonce
    }
}

extension DomainUpdate {
    /// Parses an update, as a controller does. Every message is valid.
    package init(wire: EdgelessApi_UpdateDomainRequest) {
        self.init(
            domainID: wire.domainID, orchestratorURL: wire.orchestratorURL,
            capabilities: DomainCapabilities(wire: wire.capabilities), refreshDeadline: wire.refreshDeadline,
            counter: wire.counter, nonce: wire.nonce)
    }
}

extension DomainUpdateOutcome {
    /// Parses a controller's answer (domain specification, section 1.3, rule 7).
    package init(wire: EdgelessApi_UpdateDomainResponse) {
        if wire.hasResponseError {
            self = .refused(DomainRefusal(wire: wire.responseError))
        } else {
            self = wire.reset ? .reset : .accepted
        }
    }
}

extension EdgelessApi_UpdateDomainResponse {
    /// Creates a controller's answer; nil for an outcome without an answer.
    package init?(_ outcome: DomainUpdateOutcome) {
        self.init()
        switch outcome {
        case .accepted: break
        case .reset: reset = true
        case .refused(let refusal): responseError = EdgelessApi_ResponseError(refusal)
        case .failed: return nil
        }
    }
}

extension DomainCapabilities {
    fileprivate init(wire: EdgelessApi_DomainCapabilities) {
        self.init()
        nodes = wire.numNodes
        cpus = wire.numCpus
        cores = wire.numCores
        memoryMiB = wire.memSize
        labels = Set(wire.labels)
        tees = wire.numTee
        tpms = wire.numTpm
        runtimes = Set(wire.runtimes)
        diskMiB = wire.diskTotSpace
        gpus = wire.numGpus
        gpuMemoryMiB = wire.memSizeGpu
        providers = Set(wire.resourceProviders)
        providerClasses = Set(wire.resourceClasses)
    }
}

extension EdgelessApi_DomainCapabilities {
    fileprivate init(_ capabilities: DomainCapabilities) {
        self.init()
        numNodes = capabilities.nodes
        numCpus = capabilities.cpus
        numCores = capabilities.cores
        memSize = capabilities.memoryMiB
        labels = capabilities.labels.sorted()
        numTee = capabilities.tees
        numTpm = capabilities.tpms
        runtimes = capabilities.runtimes.sorted()
        diskTotSpace = capabilities.diskMiB
        numGpus = capabilities.gpus
        memSizeGpu = capabilities.gpuMemoryMiB
        resourceProviders = capabilities.providers.sorted()
        resourceClasses = capabilities.providerClasses.sorted()
    }
}
