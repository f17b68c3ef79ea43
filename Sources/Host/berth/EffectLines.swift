import HostClient
import Machine
import Rendering
import Terminal

/// A claim in one sentence.
enum ClaimSentence {
    /// `run:engine-4242: CPUs 8-11, memory of node 1, isolation partition`.
    static func text(_ claim: Claim) -> String {
        var parts = [claim.cpus.isEmpty ? "no CPUs" : "CPUs \(claim.cpus)"]
        let idle = Set(claim.exclusive.numbers).subtracting(claim.cpus.numbers).sorted()
        if !idle.isEmpty { parts.append("idle beside them \(idle.map(String.init).joined(separator: ","))") }
        if !claim.memoryNodes.isEmpty {
            parts.append("memory of node \(claim.memoryNodes.map(String.init).joined(separator: ","))")
        }
        parts += claim.hugePages.map { "huge pages \($0.text)" }
        if let enforcement = claim.enforcement { parts.append("isolation \(enforcement.isolation)") }
        return "\(Printable.name(claim.displayName)): \(Printable.text(parts.joined(separator: ", ")))"
    }
}

/// What a change did besides, a line each.
enum EffectLines {
    /// - Parameter isPlanned: whether it has not been done.
    static func lines(_ effects: Effects, isPlanned: Bool = false) -> [String] {
        var lines = effects.preempted.map { loss in
            "  \(isPlanned ? "would take" : "took") \(cpus(loss.cpus)) from \(loss.holder)"
        }
        if !effects.released.isEmpty {
            lines.append("  \(isPlanned ? "would give" : "gave") back \(cpus(effects.released))")
        }
        if !effects.noLongerExplicit.isEmpty {
            lines.append(
                "  explicit before, automatic \(isPlanned ? "then" : "now"): \(cpus(effects.noLongerExplicit))")
        }
        return lines.map(Printable.text) + warnings(effects)
    }

    private static func cpus(_ list: CPUList) -> String { Quantity.cpus(CPUSet(list)) }

    /// What the holder should know although all went well.
    static func warnings(_ effects: Effects) -> [String] { effects.warnings.map { "  note: \(Printable.text($0))" } }
}
