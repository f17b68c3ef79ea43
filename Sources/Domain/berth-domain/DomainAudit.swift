import Domain
import DomainRPC
import Service
import WireJSON

/// The audit log of a domain: a line for each change that a controller or an operator asked for (docs/domain.md).
struct DomainAudit: Sendable {
    private let sink: LineSink?
    private let log: AuditLog?

    /// Appends to the file at `path`; an empty path means no audit log.
    ///
    /// - Throws: `SystemError` if the file cannot be opened.
    init(path: String, onFailure: @escaping @Sendable (String) -> Void) throws(SystemError) {
        sink = try path.isEmpty ? nil : LineSink(path: path, onFailure: onFailure)
        log = sink.map { AuditLog(sink: $0) }
    }

    /// Opens the file anew, after somebody has moved it away.
    func reopen() throws(SystemError) { try sink?.reopen() }

    /// Records a Start of the controller.
    func started(_ specification: Specification, _ answer: Result<LogicalID, DomainRefusal>) {
        var id: LogicalID?
        var refusal: DomainRefusal?
        switch answer {
        case .success(let started): id = started
        case .failure(let reason): refusal = reason
        }
        record("start", specification.kind, id, refusal?.sentence) { line in
            switch specification {
            case .function(let function):
                line.member("class", function.functionClass.id)
                line.member("workflow", function.workflowID)
            case .resource(let resource):
                line.member("class", resource.classType)
                line.member("workflow", resource.workflowID)
            }
        }
    }

    /// Records a Stop or a Patch of the controller, which failed with `problem` unless that is nil.
    func changed(_ action: String, _ kind: ComponentKind, _ id: LogicalID, problem: String?) {
        record(action, kind, id, problem) { _ in }
    }

    /// Records a reset that the controller at this URL asked for.
    func resetDomain(by controller: String) {
        log?.record("granted", action: "reset", holder: nil, peer: nil) { $0.member("caller", controller) }
    }

    /// Records an operator's intent, which was declined with `problem` unless that is nil.
    func finished(_ intent: Intent, from redis: String, problem: String?) {
        guard let log else { return }
        let action =
            switch intent {
            case .migrate: "migrate"
            case .cordon(_, true): "cordon"
            case .cordon(_, false): "uncordon"
            }
        log.record(problem == nil ? "granted" : "refused", action: action, holder: nil, peer: nil) { line in
            line.member("caller", redis)
            switch intent {
            case .migrate(let id, let nodes):
                line.member("instance", "\(id)")
                line.member("nodes", nodes.map(\.description))
            case .cordon(let node, _): line.member("node", "\(node)")
            }
            if let problem { line.member("reason", problem) }
        }
    }

    /// Records an entry of the intent list that was not carried out because it is invalid.
    func dropped(_ name: String, from redis: String, problem: String) {
        log?.record("refused", action: "intent", holder: nil, peer: nil) { line in
            line.member("caller", redis)
            line.member("intent", name)
            line.member("reason", problem)
        }
    }

    private func record(
        _ action: String, _ kind: ComponentKind, _ id: LogicalID?, _ problem: String?,
        _ details: (inout JSONWriter) -> Void
    ) {
        guard let log else { return }
        let holder = id.map { "\(kind.rawValue):\($0)" }
        log.record(problem == nil ? "granted" : "refused", action: action, holder: holder, peer: nil) { line in
            if let caller = CallerIdentity.current {
                line.member("caller", caller.address)
                if let names = caller.names { line.member("names", names) }
            }
            details(&line)
            if let problem { line.member("reason", problem) }
        }
    }
}
