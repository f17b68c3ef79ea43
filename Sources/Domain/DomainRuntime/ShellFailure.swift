import Domain

extension DomainRuntime {
    /// Why an event was not taken.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// It could not be kept.
        case notKept(String)
        /// Too many wait already.
        case overloaded
        /// The program ends.
        case stopping

        /// One sentence.
        package var description: String {
            switch self {
            case .notKept(let reason): "The state could not be stored, nothing was changed: \(reason)"
            case .overloaded: "Too many requests wait; try again later"
            case .stopping: "The service is stopping"
            }
        }

        /// The same for those who can only be refused.
        var refusal: DomainRefusal {
            let summary =
                switch self {
                case .notKept: "not stored"
                case .overloaded: "overloaded"
                case .stopping: "stopping"
                }
            return DomainRefusal(summary, detail: description)
        }
    }
}
