internal import Bindings
internal import KubernetesClient
import Synchronization

/// Answers the questions of kube-scheduler.
struct ExtenderService: Sendable {
    /// What is asked.
    enum Verb: String, CaseIterable, Sendable {
        case filter, prioritize, bind
    }

    /// An answer.
    struct Answer: Equatable, Sendable {
        /// The HTTP status.
        let status: Int
        /// Its JSON, or where the status is no success a line of text.
        let body: [UInt8]

        /// JSON.
        init(_ body: [UInt8]) { (status, self.body) = (200, body) }

        /// One line of text.
        init(_ status: Int, line: String) { (self.status, body) = (status, Array("\(line)\n".utf8)) }
    }

    /// What is known of the cluster.
    let state: ExtenderState
    /// Binds pods.
    let binder: Binder
    /// Counts what is asked.
    let figures: ExtenderFigures
    /// The scheduler whose pods get CPUs. The pods of others fit everywhere: extenders are global, not of a profile.
    let schedulerName: String
    /// Whether the cluster has been read.
    let isReady: @Sendable () -> Bool

    private static let notReady = "the extender has not read the cluster yet"

    /// Answers a question.
    func answer(_ verb: Verb, _ body: [UInt8]) async -> Answer {
        let began = ContinuousClock.now
        let (answer, isRefused) = await self.reaction(verb, body)
        figures.count(verb, isRefused: isRefused, ContinuousClock.now - began)
        return answer
    }

    private func reaction(_ verb: Verb, _ body: [UInt8]) async -> (Answer, isRefused: Bool) {
        do throws(ExtenderQuestionError) {
            switch verb {
            case .filter: return filter(try ExtenderArgs(body))
            case .prioritize: return prioritize(try ExtenderArgs(body))
            case .bind:
                let args = try ExtenderBindingArgs(body)
                guard isReady() else { return (Answer(ExtenderAnswers.bind(Self.notReady)), true) }
                // To its end, whether the scheduler waits for it or not.
                let binder = binder
                let error = await Task { await binder.bind(args) }.value
                return (Answer(ExtenderAnswers.bind(error ?? "")), error != nil)
            }
        } catch {
            return (Answer(400, line: error.description), true)
        }
    }

    private func filter(_ args: ExtenderArgs) -> (Answer, isRefused: Bool) {
        guard isReady() else { return (Answer(ExtenderAnswers.filterError(Self.notReady)), true) }
        let names = args.candidates.names
        var filtered = ClusterCPUs.Filtered()
        if args.pod.schedulerName == schedulerName {
            filtered = state.filter(PodRequest(args.pod), names)
        } else {
            filtered.fitting = names
        }
        return (Answer(ExtenderAnswers.filter(filtered, args.candidates)), filtered.fitting.isEmpty)
    }

    private func prioritize(_ args: ExtenderArgs) -> (Answer, isRefused: Bool) {
        let names = args.candidates.names
        let scores =
            args.pod.schedulerName == schedulerName
            ? state.prioritize(PodRequest(args.pod), names) : names.map { _ in 0 }
        return (Answer(ExtenderAnswers.priorities(names, scores)), false)
    }
}

/// How often something was asked, and how long the answers took.
final class ExtenderFigures: Sendable {
    /// The figures of one verb.
    struct Figure: Equatable, Sendable {
        /// The answers.
        var answers = 0
        /// Those that refused something.
        var refusals = 0
        /// How long they took together.
        var time = Duration.zero
    }

    private let figures = Mutex<[ExtenderService.Verb: Figure]>([:])

    /// Counts an answer.
    func count(_ verb: ExtenderService.Verb, isRefused: Bool, _ time: Duration) {
        figures.withLock { figures in
            figures[verb, default: Figure()].answers += 1
            figures[verb, default: Figure()].refusals += isRefused ? 1 : 0
            figures[verb, default: Figure()].time += time
        }
    }

    /// The figures of a verb.
    subscript(verb: ExtenderService.Verb) -> Figure { figures.withLock { $0[verb] ?? Figure() } }
}
