import Service

/// The metrics of an extender, in the text format of Prometheus, version 0.0.4.
package enum ExtenderMetrics {
    /// The content type.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// The text.
    package static func text(_ extender: Extender) -> String {
        var text = Exposition()
        let figures = extender.figures
        text.family("berth_extender_ready", .gauge, "Whether the cluster has been read.") {
            $0.sample([:], extender.isReady ? 1 : 0)
        }
        let known = extender.known
        text.family("berth_extender_nodes", .gauge, "Nodes with a fresh topology.") { $0.sample([:], known.nodes) }
        text.family("berth_extender_bindings", .gauge, "Bindings that were seen.") { $0.sample([:], known.bindings) }
        text.family("berth_extender_pending_choices", .gauge, "Choices whose bindings are not seen yet.") {
            $0.sample([:], known.pending)
        }
        text.family("berth_extender_binds_in_flight", .gauge, "Pods that are being bound.") {
            $0.sample([:], extender.bindsInFlight)
        }
        text.family(
            "berth_extender_bindings_taken_back_total", .counter, "Bindings whose pods were never bound, deleted."
        ) { $0.sample([:], extender.takenBack) }
        let verbs = ExtenderService.Verb.allCases.map { ($0, figures[$0]) }
        text.family("berth_extender_answers_total", .counter, "Answers to the scheduler.") {
            for (verb, figure) in verbs { $0.sample(["verb": verb.rawValue], figure.answers) }
        }
        text.family("berth_extender_refusals_total", .counter, "Answers that left no node, or did not bind.") {
            for (verb, figure) in verbs { $0.sample(["verb": verb.rawValue], figure.refusals) }
        }
        text.family("berth_extender_answer_milliseconds_total", .counter, "The time that all answers took.") {
            for (verb, figure) in verbs {
                $0.sample(["verb": verb.rawValue], Int(figure.time / .milliseconds(1)))
            }
        }
        return text.text
    }
}
