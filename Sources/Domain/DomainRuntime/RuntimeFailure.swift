import Domain

extension DomainRuntime {
    /// Why an event was not handled.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The state could not be stored.
        case notStored(String)
        /// Too many requests are waiting.
        case overloaded
        /// The program is shutting down.
        case stopping

        /// One sentence.
        package var description: String {
            switch self {
            case .notStored(let reason): "The state could not be stored; nothing was changed: \(reason)"
            case .overloaded: "Too many requests are waiting; try again later"
            case .stopping: "The service is stopping"
            }
        }

        /// The failure as a refusal.
        var refusal: DomainRefusal {
            let summary =
                switch self {
                case .notStored: "not stored"
                case .overloaded: "overloaded"
                case .stopping: "stopping"
                }
            return DomainRefusal(summary, detail: description)
        }
    }
}
