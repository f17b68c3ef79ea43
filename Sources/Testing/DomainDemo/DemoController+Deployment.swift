import Domain
import DomainRPC
import DomainWire
import GRPCCore
import SwiftProtobuf
import Synchronization

extension DemoController {
    /// Deploys a workflow: functions in order, then resources, then a patch for each component with outputs. If
    /// something fails, the started components are stopped.
    ///
    /// - Parameter domain: the domain; nil for the feasible one with the fewest workflows.
    /// - Returns: the id of the workflow.
    /// - Throws: ``DemoError`` that names the failed component.
    package func deploy(_ workflow: DemoWorkflow, on domain: String? = nil) async throws -> String {
        var random = SystemRandomNumberGenerator()
        let id = Identifier<DemoWorkflow>(random: &random).description
        let (chosen, ids) = try await deploy(workflow, id, on: domain)
        state.value.withLock {
            $0.deployments[id] = Deployment(workflow: workflow, domain: chosen, ids: ids)
        }
        return id
    }

    /// Stops and forgets a workflow. Errors are ignored, as in the EDGELESS controller.
    package func tearDown(_ id: String) async {
        guard let deployment = state.value.withLock({ $0.deployments.removeValue(forKey: id) }),
            let domain = deployment.domain, let client = try? client(of: domain)
        else { return }
        await stop(deployment.workflow, deployment.ids, client)
    }

    /// Deploys a workflow again that has lost its domain.
    func deploy(again id: String) async throws {
        guard let deployment = state.value.withLock({ $0.deployments[id] }) else { return }
        let (domain, ids) = try await deploy(deployment.workflow, id, on: nil)
        state.value.withLock { state in
            state.deployments[id]?.domain = domain
            state.deployments[id]?.ids = ids
        }
    }

    private func deploy(
        _ workflow: DemoWorkflow, _ id: String, on wanted: String?
    ) async throws -> (String, [String: LogicalID]) {
        let domain = try choose(workflow, wanted)
        let client = try client(of: domain)
        var ids: [String: LogicalID] = [:]
        do {
            let functions = workflow.components.filter { $0.specification.kind == .function }
            let resources = workflow.components.filter { $0.specification.kind == .resource }
            for component in functions + resources {
                switch try await client.start(Self.specification(component, workflow: id)) {
                case .success(let started): ids[component.name] = started
                case .failure(let refusal):
                    throw DemoError(
                        "\(component.name) is refused: \(refusal.summary)\(refusal.detail.map { ": \($0)" } ?? "")")
                }
            }
            for component in workflow.components where !component.outputs.isEmpty {
                guard let origin = ids[component.name] else { continue }
                let mapping = try component.outputs.mapValues { target in
                    guard let id = ids[target] else {
                        throw DemoError("\(component.name) leads to \(target), which is no part of \(workflow.name)")
                    }
                    return id
                }
                try await client.patch(origin, mapping: mapping, kind: component.specification.kind)
            }
        } catch {
            await stop(workflow, ids, client)
            throw error
        }
        return (domain, ids)
    }

    private func choose(_ workflow: DemoWorkflow, _ wanted: String?) throws -> String {
        let domains = domains
        if let wanted {
            guard domains[wanted] != nil else { throw DemoError("there is no domain \(wanted)") }
            return wanted
        }
        let loads = Dictionary(grouping: deployments.values.compactMap(\.domain)) { $0 }.mapValues(\.count)
        let fitting = domains.filter { workflow.fits($0.value.update.capabilities) }.keys
        guard let domain = fitting.min(by: { (loads[$0] ?? 0, $0) < (loads[$1] ?? 0, $1) }) else {
            throw DemoError("no domain has what \(workflow.name) needs")
        }
        return domain
    }

    /// The client of a domain, shared by all calls.
    private func client(of domain: String) throws -> OrchestratorClient {
        let (known, client) = state.value.withLock { ($0.domains[domain], $0.clients[domain]) }
        if let client { return client }
        guard let known else { throw DemoError("there is no domain \(domain)") }
        let fresh = try OrchestratorClient(url: try ServiceURL(known.update.orchestratorURL), tls: tls.client)
        return state.value.withLock { state in
            if let other = state.clients[domain] { return other }
            state.clients[domain] = fresh
            return fresh
        }
    }

    private func stop(_ workflow: DemoWorkflow, _ ids: [String: LogicalID], _ client: OrchestratorClient) async {
        for component in workflow.components {
            guard let id = ids[component.name] else { continue }
            try? await client.stop(id, kind: component.specification.kind)
        }
    }

    private static func specification(_ component: DemoWorkflow.Component, workflow: String) -> Specification {
        switch component.specification {
        case .function(var function):
            var random = SystemRandomNumberGenerator()
            function.stateID = StateID(random: &random)
            function.statePolicy = .nodeLocal
            function.workflowID = workflow
            return .function(function)
        case .resource(var resource):
            resource.workflowID = workflow
            return .resource(resource)
        }
    }
}

/// The service for the EDGELESS command line.
struct WorkflowService: EdgelessApi_WorkflowInstance.SimpleServiceProtocol {
    let state: ControllerState

    func list(request: Google_Protobuf_Empty, context: ServerContext) async throws -> EdgelessApi_WorkflowIdList {
        .with { list in list.identifiers = state.value.withLock { $0.deployments.keys.sorted() } }
    }

    func inspect(request: EdgelessApi_WorkflowId, context: ServerContext) async throws
        -> EdgelessApi_WorkflowInstanceInfo
    {
        guard let deployment = state.value.withLock({ $0.deployments[request.workflowID] }) else {
            throw RPCError(code: .notFound, message: "there is no workflow \(request.workflowID.quoted)")
        }
        return .with { info in
            info.status.workflowID = request
            info.status.domainMapping = deployment.ids.sorted { $0.key < $1.key }.map { name, id in
                .with {
                    $0.name = name
                    $0.functionID = id.description
                    $0.domainID = deployment.domain ?? ""
                }
            }
        }
    }
}
