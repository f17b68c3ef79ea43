import HostClient
import WireJSON

extension BerthClient {
    /// All claims as the daemon sends them, in the order of their holders.
    func claimDocuments() async throws(BerthError) -> [JSONValue] {
        var claims: [JSONValue] = []
        var after: String?
        repeat {
            let page = try await claimPage(after: after)
            guard let document = try? JSONValue(page), let entries = document["claims"]?.array else {
                throw .malformed("claims is no list")
            }
            claims += entries
            after = document["next"]?.string
        } while after != nil
        return claims
    }
}
