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
        let released = cpus(decision.released)
        switch decision.outcome {
        case "granted":
            guard let granted else { return released.map { "gave back \($0)" } ?? "has \(rest(decision))" }
            return "got \(granted)" + (released.map { ", gave back \($0)" } ?? "")
        case "preparing": return "is to get \(granted ?? rest(decision))"
        case "renewed": return "lives " + (decision.claims.first.map(\.lease.text) ?? "longer")
        case "releasing": return "is about to give back " + (released ?? "all that it has")
        case "released": return "gave back " + (released ?? rest(decision))
        case "expired": return "ended" + (released.map { ", gave back \($0)" } ?? "")
        case "failed":
            let reason = decision.claims.first?.enforcement?.failure.map { ": \(Printable.text($0))" } ?? ""
            return "is not enforced\(reason)"
        case "recovered": return "is enforced again"
        default: return Printable.text(decision.outcome)
        }
    }

    /// `CPUs 2-5`; nil for none.
    private static func cpus(_ list: CPUList) -> String? {
        list.isEmpty ? nil : "CPUs \(Printable.text(list.description))"
    }

    /// What a decision that is not about CPUs left the holder with.
    private static func rest(_ decision: HostDecision) -> String {
        let pages = decision.claims.first { $0.holder == decision.holder }?.hugePages ?? []
        return pages.isEmpty ? "no huge pages" : pages.map(\.text).joined(separator: ", ")
    }

    private static func who(_ decision: HostDecision) -> String {
        let action = Printable.text(decision.action)
        guard let uid = decision.uid else { return "\(action) by berthd" }
        let pid = decision.pid.map { ", process \($0)" } ?? ""
        let frontend = decision.frontend.map { ", \(Printable.text($0))" } ?? ""
        return "\(action) by user \(uid)\(pid)\(frontend)"
    }
}
