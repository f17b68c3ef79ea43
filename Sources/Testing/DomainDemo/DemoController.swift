import Domain
import DomainRPC
import DomainWire
import GRPCCore
import Synchronization

/// A demo controller: keeps a register of domains and deploys workflows as the EDGELESS controller does (domain
/// specification, section 6.2).
package final class DemoController: Sendable {
    /// A registered domain.
    package struct KnownDomain: Sendable {
        /// Its last update.
        package var update: DomainUpdate
        /// The number of its updates.
        package var updates = 1
    }

    /// A workflow that runs, or waits for a domain.
    package struct Deployment: Sendable {
        /// The workflow.
        package var workflow: DemoWorkflow
        /// The domain that runs it; nil for none.
        package var domain: String?
        /// The logical ids of its components.
        package var ids: [String: LogicalID] = [:]
    }

    struct State {
        var domains: [String: KnownDomain] = [:]
        var deployments: [String: Deployment] = [:]
        var clients: [String: OrchestratorClient] = [:]
    }

    /// Where domains register.
    package let registerURL: ServiceURL
    let state = ControllerState()
    let tls: TLSSettings
    private let server: RunningServer
    private let watching = Mutex<Task<Void, Never>?>(nil)

    /// Starts to listen; port 0 selects any free port.
    ///
    /// - Throws: `ListenError` if the address is not available.
    package init(
        url: ServiceURL = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 0), tls: TLSSettings = TLSSettings()
    ) throws {
        let listener = try Listener(url)
        registerURL = ServiceURL(scheme: url.scheme, host: url.host, port: listener.port)
        self.tls = tls
        server = RunningServer(
            listener, tls: tls.server, messageLimit: 4 << 20,
            services: [DomainRegister(state: state), WorkflowService(state: state)])
    }

    /// The registered domains by name.
    package var domains: [String: KnownDomain] { state.value.withLock { $0.domains } }

    /// The workflows by id.
    package var deployments: [String: Deployment] { state.value.withLock { $0.deployments } }

    /// Forgets a domain, which is then asked to reset itself.
    package func forget(_ domain: String) {
        state.value.withLock { state in
            state.domains[domain] = nil
            state.clients.removeValue(forKey: domain)?.close()
        }
    }

    /// Removes domains whose deadline is before `now`, in seconds since 1970, and deploys their workflows elsewhere.
    package func expire(at now: UInt64) async {
        let orphans = state.value.withLock { state in
            for (name, domain) in state.domains where domain.update.refreshDeadline < now {
                state.domains[name] = nil
                state.clients.removeValue(forKey: name)?.close()
            }
            for (id, deployment) in state.deployments {
                guard let domain = deployment.domain, state.domains[domain] == nil else { continue }
                state.deployments[id]?.domain = nil
                state.deployments[id]?.ids = [:]
            }
            return state.deployments.filter { $0.value.domain == nil }.keys.sorted()
        }
        for id in orphans { try? await deploy(again: id) }
    }

    /// Calls ``expire(at:)`` every second.
    package func start(now: @escaping @Sendable () -> UInt64) {
        let task = Task { [weak self] in
            while !Task.isCancelled {
                await self?.expire(at: now())
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
        watching.withLock { watching in
            watching?.cancel()
            watching = task
        }
    }

    /// Stops the controller; deployed workflows keep running.
    package func stop() async {
        watching.withLock { $0?.cancel() }
        state.value.withLock { state in
            for client in state.clients.values { client.close() }
            state.clients = [:]
        }
        await server.stop(within: .milliseconds(100))
    }
}

/// The state of a ``DemoController``, shared with its services.
final class ControllerState: Sendable {
    let value = Mutex(DemoController.State())
}

/// The domain register.
struct DomainRegister: EdgelessApi_DomainRegistration.SimpleServiceProtocol {
    let state: ControllerState

    func updateDomain(
        request: EdgelessApi_UpdateDomainRequest, context: ServerContext
    ) async throws -> EdgelessApi_UpdateDomainResponse {
        let outcome = take(DomainUpdate(wire: request))
        return EdgelessApi_UpdateDomainResponse(outcome) ?? EdgelessApi_UpdateDomainResponse()
    }

    /// An unknown domain, or one with a new nonce, is asked to reset itself.
    private func take(_ update: DomainUpdate) -> DomainUpdateOutcome {
        guard !update.domainID.isEmpty else { return .refused(DomainRefusal("Empty domain identifier")) }
        return state.value.withLock { state in
            guard var known = state.domains[update.domainID], known.update.nonce == update.nonce else {
                state.domains[update.domainID] = DemoController.KnownDomain(
                    update: update, updates: (state.domains[update.domainID]?.updates ?? 0) + 1)
                state.clients.removeValue(forKey: update.domainID)?.close()
                return .reset
            }
            known.updates += 1
            if known.update.counter == update.counter {
                known.update.refreshDeadline = update.refreshDeadline
            } else {
                if known.update.orchestratorURL != update.orchestratorURL {
                    state.clients.removeValue(forKey: update.domainID)?.close()
                }
                known.update = update
            }
            state.domains[update.domainID] = known
            return .accepted
        }
    }
}
