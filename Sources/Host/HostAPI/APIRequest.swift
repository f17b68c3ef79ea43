import HTTPTypes
import Ledger
import WireJSON

/// A request that has come to its end.
struct APIRequest: Sendable {
    /// What is asked.
    let route: APIRoute
    /// What the path has in place of the braces.
    let arguments: [String]
    /// The decoded target.
    let target: APITarget
    /// The header fields.
    let fields: HTTPFields
    /// The body.
    let body: [UInt8]
    /// Who asks.
    let peer: APIPeer

    /// The holder in the path.
    ///
    /// - Throws: ``Problem`` where the kind is not known.
    func holder() throws(Problem) -> Holder {
        guard arguments.count == 2, let kind = Holder.Kind(rawValue: arguments[0]) else {
            let kinds = Holder.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.notFound, "There is no kind of claims of this name; there are \(kinds)")
        }
        return Holder(kind: kind, name: arguments[1])
    }

    /// Whether a claim is what the header fields `If-Match` and `If-None-Match` ask for (RFC 9110, section 13).
    func condition() -> (@Sendable (Claim?) -> Bool)? {
        let match = EntityTags.read(fields, .ifMatch, takesWeak: false)
        let noneMatch = EntityTags.read(fields, .ifNoneMatch, takesWeak: true)
        guard match != nil || noneMatch != nil else { return nil }
        return { claim in
            let version = claim.map(ClaimResource.version)
            if let match, !match.contains(version) { return false }
            if let noneMatch, noneMatch.contains(version) { return false }
            return true
        }
    }

    /// Checks that the client takes what the route answers.
    ///
    /// - Throws: ``Problem``.
    static func checkAccept(_ fields: HTTPFields, _ route: APIRoute) throws(Problem) {
        guard let accept = fields[.accept] else { return }
        let type = route.contentType.prefix { $0 != ";" }
        let family = "\(type.prefix { $0 != "/" })/*"
        for range in accept.split(separator: ",") {
            let parts = range.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            guard let name = parts.first else { continue }
            let isRefused = parts.dropFirst().contains { ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0) }
            if !isRefused, name == "*/*" || name == family || name == type { return }
        }
        throw Problem(.notAcceptable, "The resource is available as \(type) only")
    }

    /// Checks that a body is said to be JSON.
    ///
    /// - Throws: ``Problem``.
    static func checkContentType(_ fields: HTTPFields) throws(Problem) {
        let type = fields[.contentType]?.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        guard type == "application/json" else { throw Problem(.wrongContentType) }
    }
}

/// The value of `If-Match` or `If-None-Match`.
private struct EntityTags: Sendable {
    private let isAny: Bool
    private let versions: [String]

    /// The tags of a header field; nil where it is not there.
    ///
    /// - Parameter takesWeak: whether a weak tag is compared as a strong one is (RFC 9110, section 13.1.2); otherwise it never
    ///   matches (section 13.1.1).
    static func read(_ fields: HTTPFields, _ name: HTTPField.Name, takesWeak: Bool) -> EntityTags? {
        guard let text = fields[name] else { return nil }
        var versions: [String] = []
        let parts = text.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" } }
        guard parts != ["*"] else { return EntityTags(isAny: true, versions: []) }
        for var part in parts {
            if part.hasPrefix("W/") {
                guard takesWeak else { continue }
                part = String(part.dropFirst(2))
            }
            // Quotes may be missing.
            let isQuoted = part.count >= 2 && part.first == "\"" && part.last == "\""
            versions.append(isQuoted ? String(part.dropFirst().dropLast()) : part)
        }
        return EntityTags(isAny: false, versions: versions)
    }

    func contains(_ version: String?) -> Bool {
        guard let version else { return false }
        return isAny || versions.contains(version)
    }
}
