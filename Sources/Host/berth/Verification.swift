import Machine
import Rendering
import WireJSON

/// What the daemon's last comparison of claims and kernel found.
struct Verification {
    /// One difference.
    struct Difference {
        /// For people.
        let text: String
        /// Whose claims are concerned.
        let holders: [String]
        /// The CPUs that it is about; empty where it is about none.
        let cpus: CPUSet
        /// The object as it came.
        let json: JSONValue
        /// What stays the same while the difference lasts.
        fileprivate let identity: [UInt8]

        /// Members that tell how things stand, not which difference it is.
        private static let passing = ["text", "delivered", "last_cpu", "kilobytes"]

        init(_ json: JSONValue) {
            self.json = json
            text = json["text"]?.string ?? ""
            holders = json["holders"]?.array?.compactMap(\.string) ?? []
            cpus = json["cpus"]?.string.flatMap { try? CPUSet(list: $0) } ?? CPUSet()
            identity = JSONWriter.object { writer in
                for member in json.members ?? [] where !Self.passing.contains(member.name) {
                    writer.member(member.name, member.value)
                }
            }
        }
    }

    /// A difference that was not there before, or is not there any more.
    struct Change {
        let difference: Difference
        let hasAppeared: Bool
    }

    /// The document as it came.
    let json: [UInt8]
    /// When the kernel was looked at, in milliseconds since 1970 UTC.
    let time: Int
    let differences: [Difference]
    let managedInterrupts: Int
    let fixedThreads: Int
    let threadsBesidePods: Int
    let unreadable: [String]
    private let claims: Int
    private let threads: Int

    /// - Parameter bytes: the daemon's document.
    /// - Throws: ``Failure``.
    init(_ bytes: [UInt8]) throws(Failure) {
        guard let document = try? JSONValue(bytes), let drift = document["drift"]?.array else {
            throw Failure("the daemon's verification cannot be understood", status: Failure.malformed)
        }
        func number(_ name: String) -> Int { document[name]?.integer ?? 0 }
        json = bytes
        time = number("time")
        differences = drift.map { Difference($0) }
        managedInterrupts = number("managed_interrupts")
        fixedThreads = number("fixed_kernel_threads")
        threadsBesidePods = number("threads_beside_pods")
        unreadable = document["unreadable"]?.array?.compactMap(\.string) ?? []
        (claims, threads) = (number("claims"), number("threads"))
    }

    /// `2 enforced claims, 412 threads, 0 differences`.
    var summary: String {
        [(claims, "enforced claim"), (threads, "thread"), (differences.count, "difference")]
            .map { Quantity.count($0, $1) }.joined(separator: ", ")
    }

    /// What went, then what appeared.
    func changes(since last: Verification?) -> [Change] {
        let before = last?.differences ?? []
        let (known, current) = (Set(before.map(\.identity)), Set(differences.map(\.identity)))
        return before.filter { !current.contains($0.identity) }.map { Change(difference: $0, hasAppeared: false) }
            + differences.filter { !known.contains($0.identity) }.map { Change(difference: $0, hasAppeared: true) }
    }
}
