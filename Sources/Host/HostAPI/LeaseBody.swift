import Ledger
import Service
import Synchronization
import WireJSON

/// How long a claim is to live, as a body says it.
enum LeaseBody {
    /// A year in seconds.
    private static let longest = 31_622_400
    /// The end of the year 9999 in milliseconds since 1970 UTC.
    private static let latest = 253_402_300_799_999

    /// Reads a lease.
    ///
    /// - Parameter now: the time in milliseconds since 1970 UTC.
    static func read(_ body: JSONReader, now: Int, _ processes: ClaimProcesses) throws(Problem) -> Lease {
        try body.allow("forever", "seconds", "until", "process")
        let given = ["forever", "seconds", "until", "process"].filter { body.has($0) }
        guard given.count == 1, let name = given.first else {
            throw body.invalid("forever", "or one of seconds, until and process is needed, and only one of them")
        }
        switch name {
        case "seconds":
            // The clock of the host may stand anywhere; the sum must not overflow.
            let (end, overflow) = now.addingReportingOverflow(
                1_000 * (try body.number("seconds", in: 1...longest) ?? 1))
            return .until(overflow ? latest : end)
        case "until": return .until(try body.number("until", in: 0...latest) ?? 0)
        case "process":
            guard let value = body["process"] else { return .forever }
            let who: JSONValue = value == .boolean(true) ? .string("self") : value
            return .process(
                try processes.identity(who, body.invalid("process", "takes true, \"self\" or a process id")))
        default:
            guard try body.flag("forever") == true else { throw body.invalid("forever", "takes true") }
            return .forever
        }
    }
}

extension JSONReader {
    /// A lease in a few words, for the records.
    var leaseText: String {
        if has("process") { return "process" }
        if let seconds = self["seconds"]?.integer { return "\(seconds) seconds" }
        if let end = self["until"]?.integer { return "until \(end)" }
        return "forever"
    }
}

/// The processes that a caller may name in a request: its own, and for administrators all. Each is looked up once, so that all
/// parts of a request mean the same process.
struct ClaimProcesses: Sendable {
    private let peer: APIPeer
    private let lookup: ProcessLookup

    /// The processes for one request of `peer`.
    init(peer: APIPeer, lookup: @escaping ProcessLookup) {
        self.peer = peer
        let known = Mutex<[Int: FoundProcess]>([:])
        self.lookup = { pid in
            if let found = known.withLock({ $0[pid] }) { return found }
            let found = lookup(pid)
            known.withLock { $0[pid] = found }
            return found
        }
    }

    /// The process that `value` names: `"self"` for the caller's, else a number.
    ///
    /// - Throws: ``Problem``: `invalid` where it names none, else that the process has ended or is another user's.
    func identity(_ value: JSONValue, _ invalid: Problem) throws(Problem) -> ProcessIdentity {
        let isSelf = value.string == "self"
        let pid: Int
        if isSelf {
            pid = Int(peer.credentials.pid)
        } else {
            guard let number = value.wholeNumber, (1...Int(Int32.max)).contains(number) else { throw invalid }
            pid = number
        }
        guard pid > 0, let process = lookup(pid) else {
            throw Problem(
                .noProcess, isSelf ? "The caller's process cannot be seen from here" : "There is no process \(pid)",
                member: invalid.member)
        }
        // A process that is younger than the connection got the number of the one that connected.
        guard !isSelf || process.identity.startTime <= peer.since else {
            throw Problem(.noProcess, "The process that connected has ended", member: invalid.member)
        }
        guard peer.role == .administrator || process.uid == peer.credentials.uid else {
            throw Problem(
                .notYourProcess,
                "Process \(pid) is owned by uid \(process.uid); only its owner and administrators may have "
                    + "it moved or wait for its end", member: invalid.member)
        }
        return process.identity
    }
}
