import Host
import Ledger
import NIOCore
import Synchronization
import WireJSON

/// Which claims a list has.
struct ClaimPage: Hashable, Sendable {
    /// The most claims.
    let limit: Int
    /// The holder after which the page begins; nil for the first page.
    let after: Holder?
    /// The kind of claims; nil for all.
    let kind: Holder.Kind?

    /// The page that the parameters of a query ask for.
    ///
    /// - Throws: ``Problem``.
    init(_ parameters: [String: String]) throws(Problem) {
        func invalid(_ name: String, _ what: String) -> Problem {
            Problem(.malformedQuery, "The parameter \(name) takes \(what)", member: name)
        }
        if let text = parameters["limit"] {
            guard let limit = Int(text), (1...1_000).contains(limit) else {
                throw invalid("limit", "a number from 1 to 1000")
            }
            self.limit = limit
        } else {
            limit = 100
        }
        if let text = parameters["after"] {
            guard let holder = Holder(fullName: text) else {
                throw invalid("after", "KIND:NAME, as the page before says")
            }
            after = holder
        } else {
            after = nil
        }
        if let text = parameters["kind"] {
            guard let kind = Holder.Kind(rawValue: text) else {
                throw invalid("kind", "one of \(Holder.Kind.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self.kind = kind
        } else {
            kind = nil
        }
    }
}

/// Pages of claims as they were last written, for as long as the ledger stays the same.
final class ListCache: Sendable {
    private struct State {
        var version = -1
        var bodies: [ClaimPage: ByteBuffer] = [:]
    }

    private let state = Mutex(State())
    /// The most pages that are kept.
    private static let limit = 64

    /// The body of a page.
    func body(_ page: ClaimPage, _ current: Host.Published) -> ByteBuffer {
        let known: ByteBuffer? = state.withLock { $0.version == current.version ? $0.bodies[page] : nil }
        if let known { return known }
        let body = ByteBuffer(bytes: Self.json(page, current.ledger))
        state.withLock { state in
            // A slow reader of an old ledger does not put it in the place of a newer one.
            guard current.version >= state.version else { return }
            if state.version != current.version || state.bodies.count >= Self.limit { state.bodies = [:] }
            state.version = current.version
            state.bodies[page] = body
        }
        return body
    }

    private static func json(_ page: ClaimPage, _ ledger: Ledger) -> [UInt8] {
        var claims = ledger.claims(after: page.after, kind: page.kind, limit: page.limit + 1)
        let hasMore = claims.count > page.limit
        if hasMore { claims.removeLast() }
        return JSONWriter.object(capacity: 64 + 512 * claims.count) { writer in
            writer.name("claims")
            writer.array { array in for claim in claims { ClaimResource.write(claim, to: &array) } }
            writer.name("next")
            if hasMore, let last = claims.last { writer.string(last.holder.fullName) } else { writer.null() }
        }
    }
}

extension Ledger {
    /// The first `limit` claims of `kind` whose holders come after `holder`, in their order.
    fileprivate func claims(after holder: Holder?, kind: Holder.Kind?, limit: Int) -> [Claim] {
        let holders = holders
        var low = 0
        if let holder {
            var high = holders.count
            while low < high {
                let middle = (low + high) / 2
                if holders[middle] <= holder { low = middle + 1 } else { high = middle }
            }
        }
        var claims: [Claim] = []
        for holder in holders[low...] where kind == nil || holder.kind == kind {
            guard claims.count < limit else { break }
            if let claim = self[holder] { claims.append(claim) }
        }
        return claims
    }
}
