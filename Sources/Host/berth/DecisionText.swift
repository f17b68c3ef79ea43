import HostClient
import Terminal

/// A decision on one line, for people.
enum DecisionText {
    /// `2026-11-29T08:56:45.942Z 4 service:dpdk-router got CPUs 2,18, of which service:nova lost 2 (…)`.
    static func line(_ decision: HostDecision) -> String {
        "\(Timestamp.utc(decision.time)) \(decision.sequence) \(sentence(decision)) (\(who(decision)))"
    }

    private static func sentence(_ decision: HostDecision) -> String {
        var text = "\(Printable.name(decision.holder)) \(outcome(decision))"
        for loss in decision.preempted {
            text += "; \(Printable.name(loss.holder)) lost \(Printable.text(loss.cpus.description))"
        }
        return text
    }

    private static func outcome(_ decision: HostDecision) -> String {
        let granted = cpus(decision.granted)
        let released = released(decision)
        switch decision.outcome {
        case "granted":
            let parts = [granted.map { "got \($0)" } ?? "has \(rest(decision))", released.map { "gave back \($0)" }]
            return parts.compactMap(\.self).joined(separator: ", ")
        case "preparing": return "is to get \(granted ?? rest(decision))"
        case "renewed": return "lives " + (decision.claims.first.map(\.lease.text) ?? "longer")
        case "releasing": return "is about to give back " + (released ?? "all that it has")
        case "released":
            // A change may give something back and leave CPUs; what is neither CPUs nor pages has no name here.
            return (granted.map { "has \($0), " } ?? "") + "gave back " + (released ?? "what it had")
        case "expired": return "ended" + (released.map { ", gave back \($0)" } ?? "")
        case "failed":
            let reason = decision.claims.first?.enforcement?.failure.map { ": \(Printable.text($0))" } ?? ""
            return "is not enforced\(reason)"
        case "recovered": return "is enforced again"
        case "observed":
            let containers = decision.claims.first?.enforcement?.pod?.containers ?? []
            return "has containers " + containers.map(\.text).joined(separator: ", ")
        default: return Printable.text(decision.outcome)
        }
    }

    /// `CPUs 2-5`; nil for none.
    private static func cpus(_ list: CPUList) -> String? {
        list.isEmpty ? nil : "CPUs \(Printable.text(list.description))"
    }

    /// `CPUs 2-5 and 3 x 2M on node 0`; nil for nothing.
    private static func released(_ decision: HostDecision) -> String? {
        let pages = decision.releasedPages
        let parts = [cpus(decision.released), pages.isEmpty ? nil : pages.map(\.text).joined(separator: ", ")]
        return parts.contains { $0 != nil } ? parts.compactMap(\.self).joined(separator: " and ") : nil
    }

    /// What a decision that is not about CPUs left the holder with.
    private static func rest(_ decision: HostDecision) -> String {
        let claim = decision.claims.first { $0.holder == decision.holder }
        var parts = (claim?.hugePages ?? []).map(\.text)
        if let nodes = claim?.memoryNodes, !nodes.isEmpty {
            parts.append("memory of node \(nodes.map(String.init).joined(separator: ","))")
        }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }

    private static func who(_ decision: HostDecision) -> String {
        let action = Printable.text(decision.action)
        guard let uid = decision.uid else { return "\(action) by berthd" }
        let pid = decision.pid.map { ", process \($0)" } ?? ""
        let frontend = decision.frontend.map { ", \(Printable.text($0))" } ?? ""
        return "\(action) by user \(uid)\(pid)\(frontend)"
    }
}

extension Enforcement.Container {
    /// `main (confined)`.
    var text: String { "\(Printable.text(reference.name)) (\(Printable.text(state)))" }
}
