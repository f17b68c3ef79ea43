import HTTPTypes

/// What can be asked of the API. The router and the OpenAPI document are made from the same cases.
enum APIRoute: String, CaseIterable, Sendable {
    case root = "getAPI"
    case machine = "getMachine"
    case pools = "getPools"
    case claims = "listClaims"
    case claim = "getClaim"
    case putClaim
    case patchClaim
    case deleteClaim
    case renewClaim
    case plan
    case events = "streamEvents"
    case verification = "getVerification"
    case configuration = "getConfiguration"
    case openAPI = "getOpenAPI"
    case metrics = "getMetrics"
    case health = "getHealth"
    case readiness = "getReadiness"

    /// Its method.
    var method: HTTPRequest.Method {
        switch self {
        case .putClaim: .put
        case .patchClaim: .patch
        case .deleteClaim: .delete
        case .renewClaim, .plan: .post
        default: .get
        }
    }

    /// Its path, with the names of what varies in braces.
    var path: String {
        switch self {
        case .root: "/v1"
        case .machine: "/v1/machine"
        case .pools: "/v1/pools"
        case .claims: "/v1/claims"
        case .claim, .putClaim, .patchClaim, .deleteClaim: "/v1/claims/{kind}/{name}"
        case .renewClaim: "/v1/claims/{kind}/{name}/renew"
        case .plan: "/v1/plan"
        case .events: "/v1/events"
        case .verification: "/v1/verification"
        case .configuration: "/v1/configuration"
        case .openAPI: "/v1/openapi.json"
        case .metrics: "/metrics"
        case .health: "/healthz"
        case .readiness: "/readyz"
        }
    }

    /// The content type of what it answers where all is well.
    var contentType: String {
        switch self {
        case .events: "text/event-stream"
        case .metrics: "text/plain; version=0.0.4; charset=utf-8"
        case .health, .readiness: "text/plain; charset=utf-8"
        default: "application/json"
        }
    }

    /// Whether a request has a body.
    var hasBody: Bool {
        switch self {
        case .putClaim, .patchClaim, .renewClaim, .plan: true
        default: false
        }
    }

    /// Whether it changes claims.
    var changes: Bool { hasBody && self != .plan || self == .deleteClaim }

    /// The paths with their segments and the routes that they have.
    private static let table: [(segments: [String], routes: [APIRoute])] = {
        var table: [(segments: [String], routes: [APIRoute])] = []
        for route in allCases {
            let segments = route.path.split(separator: "/").map(String.init)
            if let index = table.firstIndex(where: { $0.segments == segments }) {
                table[index].routes.append(route)
            } else {
                table.append((segments, [route]))
            }
        }
        return table
    }()

    /// The route of a request, and what its path has in place of the braces.
    ///
    /// - Throws: ``Problem``: there is no such path, or it does not have the method.
    static func find(_ method: HTTPRequest.Method, _ path: [String]) throws(Problem) -> (APIRoute, [String]) {
        for (segments, routes) in table where segments.count == path.count {
            guard zip(segments, path).allSatisfy({ $0.0.first == "{" || $0.0 == $0.1 }) else { continue }
            let arguments = zip(segments, path).filter { $0.0.first == "{" }.map(\.1)
            let wanted = method == .head ? .get : method
            if let route = routes.first(where: { $0.method == wanted }) { return (route, arguments) }
            var problem = Problem(.methodNotAllowed)
            let methods = routes.map(\.method.rawValue) + (routes.contains { $0.method == .get } ? ["HEAD"] : [])
            problem.fields[.allow] = methods.sorted().joined(separator: ", ")
            throw problem
        }
        throw Problem(.notFound, "There is no such path; GET /v1 names those that there are")
    }
}
