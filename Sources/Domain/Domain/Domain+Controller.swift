extension Domain {
    /// Sends the controller an update if one is due (domain specification, section 3.3).
    mutating func updateController() {
        guard now.monotonic >= nextControllerUpdate, !isControllerAsked else { return }
        let interval = max(1, options.refreshInterval)
        nextControllerUpdate = now.monotonic + interval * 1000
        isControllerAsked = true
        var said = capabilities
        // The controller hears of no nonce that is not stored: the next one would look like a new domain.
        if sendsCommittedCapabilities, isNonceStored {
            said = committedCapabilities ?? said
            sendsCommittedCapabilities = false
        } else if said != sentCapabilities {
            sentCapabilities = said
            change(.identity(nonce: records.nonce, counter: records.counter + 1, sequence: records.sequence))
        }
        effect(
            .updateController(
                nextNumber,
                DomainUpdate(
                    domainID: options.domainID, orchestratorURL: options.orchestratorURL, capabilities: said,
                    refreshDeadline: UInt64(max(0, now.wall / 1000 + 2 * interval)), counter: records.counter,
                    nonce: records.nonce)))
    }

    /// Handles the controller's answer. A Reset applies to requests made before the update was sent.
    mutating func takeController(_ outcome: DomainUpdateOutcome, _ number: UInt64) {
        isControllerAsked = false
        let reported = controllerProblem
        controllerProblem = outcome.problem
        switch outcome {
        case .accepted: if reported != nil { log(.notice, "the controller accepts updates again") }
        // An outage is logged once, although its reason may change from update to update.
        case .refused, .failed:
            if let problem = outcome.problem, reported == nil {
                log(.warning, "the controller does not accept the domain's updates", ["reason": problem])
            }
        case .reset: reset(before: number)
        }
    }

    /// Stops all functions, then all resources (domain specification, section 4.12).
    private mutating func reset(before number: UInt64) {
        let doomed = records.instances.values.filter { $0.created < number }
        log(
            .warning,
            "the controller resets the domain: it does not know the domain, or another one has the same domain_id. All earlier instances are stopped",
            ["domain": options.domainID, "instances": "\(doomed.count)"])
        for kind in [ComponentKind.function, .resource] {
            for record in doomed.filter({ $0.specification.kind == kind }).sorted(by: { $0.id < $1.id }) {
                stop(record.id)
            }
        }
        for (id, attempt) in attempts.sorted(by: { $0.key < $1.key }) where attempt.created < number {
            attempts[id] = nil
            drop(attempt.call)
            guard let request = attempt.request else { continue }
            shares[id] = nil
            effect(
                .started(
                    request, .failure(DomainRefusal("Resource creation rejected", detail: "the domain was reset"))))
        }
    }
}
