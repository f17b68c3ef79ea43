import Ledger
import WireJSON

/// What the OpenAPI document says of a route.
extension APIRoute {
    /// A parameter of a path, a query or the header.
    struct Parameter {
        let name: String
        let place: String
        let description: String
        let schema: JSONValue

        init(_ name: String, in place: String, _ description: String, _ schema: String) {
            self.name = name
            self.place = place
            self.description = description
            self.schema = OpenAPISchemas.parse(schema)
        }
    }

    /// One line for people.
    var summary: String {
        switch self {
        case .root: "What serves here, and where its resources are"
        case .machine: "The machine: CPUs, packages, NUMA nodes, huge pages"
        case .pools: "The pools of CPUs that can be claimed"
        case .claims: "The claims, in the order of their holders"
        case .claim: "One claim"
        case .putClaim: "Makes a claim, or replaces it: what the body leaves out is given up"
        case .patchClaim: "Makes a claim, or changes of it what the body names"
        case .deleteClaim: "Releases a claim; the answer has it as it was"
        case .renewClaim: "Sets how long a claim lives from now on"
        case .plan: "Says what PUT would come to, and changes nothing"
        case .events: "The decisions as server-sent events, from the store and then as they are taken"
        case .verification: "What the last comparison of claims and kernel found"
        case .configuration: "The settings in force"
        case .openAPI: "This document"
        case .metrics: "Metrics for Prometheus"
        case .health: "Whether the program serves"
        case .readiness: "Whether changes can be decided"
        }
    }

    /// Its parameters.
    var parameters: [Parameter] {
        let kinds = Holder.Kind.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ",")
        var parameters: [Parameter] = []
        if path.contains("{kind}") {
            parameters.append(
                .init("kind", in: "path", "The kind of the holder", #"{"type":"string","enum":[\#(kinds)]}"#))
            parameters.append(
                .init(
                    "name", in: "path", "The name of the holder, percent-encoded",
                    OpenAPISchemas.name))
        }
        switch self {
        case .claims:
            parameters.append(
                .init(
                    "limit", in: "query", "The most claims",
                    #"{"type":"integer","minimum":1,"maximum":1000,"default":100}"#))
            parameters.append(
                .init(
                    "after", in: "query", "The holder after which the page begins: next of the page before",
                    #"{"type":"string","pattern":"^(service|pod|function|run):"}"#))
            parameters.append(
                .init("kind", in: "query", "Only claims of this kind", #"{"type":"string","enum":[\#(kinds)]}"#))
        case .claim:
            parameters.append(.init("If-None-Match", in: "header", "Answers 304 for this version", Self.tags))
            parameters.append(.init("If-Match", in: "header", "Only this version", Self.tags))
        case .putClaim, .patchClaim:
            parameters.append(
                .init("If-Match", in: "header", "Only if the claim has this version, or * for any", Self.tags))
            parameters.append(.init("If-None-Match", in: "header", "* for only if there is no claim", Self.tags))
        case .deleteClaim, .renewClaim:
            parameters.append(.init("If-Match", in: "header", "Only if the claim has this version", Self.tags))
        case .events:
            parameters.append(
                .init(
                    "after", in: "query",
                    "The event after which the stream begins. Without it, the stream begins with those to come, and with the oldest stored one if follow is false",
                    #"{"type":"integer","minimum":0,"maximum":9007199254740991}"#))
            parameters.append(
                .init(
                    "last", in: "query",
                    "How many of the newest stored events the stream begins with; in place of after",
                    #"{"type":"integer","minimum":1,"maximum":9007199254740991}"#))
            parameters.append(
                .init(
                    "follow", in: "query", "false ends the stream after what is stored",
                    #"{"type":"boolean","default":true}"#))
            parameters.append(
                .init(
                    "Last-Event-ID", in: "header", "As after, and goes before it and last",
                    #"{"type":"integer","minimum":0,"maximum":9007199254740991}"#))
        default: break
        }
        return parameters
    }

    private static let tags = #"{"type":"string"}"#

    /// The name of the schema of its body.
    var bodySchema: String? {
        switch self {
        case .putClaim: "ClaimRequest"
        case .patchClaim: "ClaimPatch"
        case .plan: "PlanRequest"
        case .renewClaim: "RenewRequest"
        default: nil
        }
    }

    /// The name of the schema of what it answers; nil for text.
    var answerSchema: String? {
        switch self {
        case .root: "API"
        case .machine: "Machine"
        case .pools: "Pools"
        case .claims: "ClaimPage"
        case .claim: "Claim"
        case .putClaim, .patchClaim, .deleteClaim, .renewClaim, .plan: "ChangedClaim"
        case .verification: "Verification"
        case .configuration: "Configuration"
        case .openAPI: "Document"
        case .events, .metrics, .health, .readiness: nil
        }
    }

    /// Whether it answers with one claim.
    var answersClaim: Bool { answerSchema == "Claim" || answerSchema == "ChangedClaim" }

    /// Every status that it answers with.
    var statuses: [Int] {
        var statuses: Set = [200, 400, 403, 406, 408, 414, 429, 431, 503]
        if hasBody { statuses.formUnion([413, 415, 422]) }
        if changes { statuses.formUnion([409, 412, 504]) }
        switch self {
        case .putClaim, .patchClaim: statuses.formUnion([201, 404])
        case .claim: statuses.formUnion([304, 404, 412])
        case .deleteClaim, .renewClaim, .verification: statuses.insert(404)
        case .plan: statuses.insert(409)
        default: break
        }
        return statuses.sorted()
    }
}
