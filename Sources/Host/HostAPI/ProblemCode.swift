import HTTPTypes

/// What a request can be refused for: stable words that programs decide on. `docs/api.md` lists them.
enum ProblemCode: String, CaseIterable, Sendable {
    // The request itself.
    case badRequest = "bad_request"
    case malformedPath = "malformed_path"
    case malformedQuery = "malformed_query"
    case malformedJSON = "malformed_json"
    case forbidden
    case notFound = "not_found"
    case methodNotAllowed = "method_not_allowed"
    case notAcceptable = "not_acceptable"
    case requestTimeout = "request_timeout"
    case conditionFailed = "condition_failed"
    case bodyTooLarge = "body_too_large"
    case targetTooLong = "target_too_long"
    case wrongContentType = "wrong_content_type"
    case unknownMember = "unknown_member"
    case invalidMember = "invalid_member"
    case invalidName = "invalid_name"
    case tooManyRequests = "too_many_requests"
    case tooManyConnections = "too_many_connections"
    case tooManyStreams = "too_many_streams"
    case headersTooLarge = "headers_too_large"

    // The ledger's rules.
    case notOwner = "not_owner"
    case noClaim = "no_claim"
    case invalidCount = "invalid_count"
    case noPool = "no_pool"
    case emptyPool = "empty_pool"
    case otherPool = "other_pool"
    case poolLacksOwned = "pool_lacks_owned"
    case notInPool = "not_in_pool"
    case insufficientCPUs = "insufficient_cpus"
    case insufficientCores = "insufficient_cores"
    case notWholeCores = "not_whole_cores"
    case emptyChoice = "empty_choice"
    case housekeeping
    case heldByOthers = "held_by_others"
    case explicitExceeds = "explicit_exceeds"
    case noTopology = "no_topology"
    case noNode = "no_node"
    case nodeOutsidePool = "node_outside_pool"
    case nodeTooSmall = "node_too_small"
    case nodeHeld = "node_held"
    case levelUnknown = "level_unknown"
    case noMemoryNode = "no_memory_node"
    case protectedHolds = "protected_holds"
    case ownedOutsidePool = "owned_outside_pool"
    case noPagesNode = "no_pages_node"
    case noPageSize = "no_page_size"
    case insufficientPages = "insufficient_pages"
    case overLimit = "over_limit"
    case leaseOver = "lease_over"
    case conflict

    // Processes and the kernel.
    case notYourProcess = "not_your_process"
    case noProcess = "no_process"
    case changing
    case enforced
    case recorded
    case notEnforceable = "not_enforceable"
    case noEnforcement = "no_enforcement"
    case notEnforced = "not_enforced"

    // The host.
    case machineUnreadable = "machine_unreadable"
    case notCommitted = "not_committed"
    case overloaded
    case stopping
    case outcomeUnknown = "outcome_unknown"

    /// The status of the answer.
    var status: HTTPResponse.Status {
        switch self {
        case .badRequest, .malformedPath, .malformedQuery, .malformedJSON: .badRequest
        case .forbidden, .notOwner, .notYourProcess: .forbidden
        case .notFound, .noClaim, .notEnforced: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .notAcceptable: .notAcceptable
        case .requestTimeout: .requestTimeout
        case .conditionFailed: .preconditionFailed
        case .bodyTooLarge: .contentTooLarge
        case .targetTooLong: .uriTooLong
        case .wrongContentType: .unsupportedMediaType
        case .unknownMember, .invalidMember, .invalidName, .invalidCount: .unprocessableContent
        case .tooManyRequests, .tooManyConnections, .tooManyStreams: .tooManyRequests
        case .headersTooLarge: .requestHeaderFieldsTooLarge
        case .machineUnreadable, .notCommitted, .overloaded, .stopping: .serviceUnavailable
        case .outcomeUnknown: .gatewayTimeout
        // What this machine, or the claims on it, stand in the way of.
        default: .conflict
        }
    }

    /// What it means in a few words, the same each time.
    var title: String {
        switch self {
        case .badRequest: "The request is not HTTP that is understood"
        case .malformedPath: "The path is not correctly encoded"
        case .malformedQuery: "The query is malformed, or has an unknown or invalid parameter"
        case .malformedJSON: "The body is not JSON"
        case .forbidden: "The caller may not do this"
        case .notFound: "There is no such resource"
        case .methodNotAllowed: "The resource does not have this method"
        case .notAcceptable: "The resource is not available in an accepted content type"
        case .requestTimeout: "The request did not come to its end in time"
        case .conditionFailed: "The claim is not what If-Match or If-None-Match says"
        case .bodyTooLarge: "The body is too large"
        case .targetTooLong: "The path and query are too long"
        case .wrongContentType: "The body's content type must be application/json"
        case .unknownMember: "The body has a member that is not known"
        case .invalidMember: "A member of the body has an impossible value"
        case .invalidName: "The name of the claim cannot be used"
        case .tooManyRequests: "The caller sends too many requests"
        case .tooManyConnections: "There are too many connections"
        case .tooManyStreams: "There are too many streams of events"
        case .headersTooLarge: "The header fields are too large"
        case .notOwner: "Another user owns the claim"
        case .noClaim: "There is no such claim"
        case .invalidCount: "The count is out of range"
        case .noPool: "The pool is not configured"
        case .emptyPool: "The pool has no CPUs"
        case .otherPool: "The claim has CPUs in another pool"
        case .poolLacksOwned: "The pool lacks CPUs that are owned"
        case .notInPool: "The pool does not have these CPUs"
        case .insufficientCPUs: "Too few CPUs are free"
        case .insufficientCores: "Too few whole cores are free"
        case .notWholeCores: "The count cannot be made up of whole cores"
        case .emptyChoice: "The share comes to no CPU at all"
        case .housekeeping: "The rest of the machine keeps these CPUs"
        case .heldByOthers: "Others hold these CPUs"
        case .explicitExceeds: "The claim has more explicit CPUs than were asked for"
        case .noTopology: "The machine has no NUMA nodes"
        case .noNode: "There is no such NUMA node with CPUs"
        case .nodeOutsidePool: "None of the node's CPUs is in the pool"
        case .nodeTooSmall: "The node has too few CPUs in the pool"
        case .nodeHeld: "Others hold the node's CPUs"
        case .levelUnknown: "The machine does not say what the level reaches"
        case .noMemoryNode: "There is no memory on this NUMA node"
        case .protectedHolds: "The claim is protected and has CPUs"
        case .ownedOutsidePool: "The claim has CPUs outside its pool"
        case .noPagesNode: "There is no such NUMA node for huge pages"
        case .noPageSize: "The node has no huge pages of this size"
        case .insufficientPages: "Too few huge pages are free"
        case .overLimit: "The user's claims would have too many exclusive CPUs"
        case .leaseOver: "The lease is over already"
        case .conflict: "The claim would break a rule between claims"
        case .notYourProcess: "Another user owns the process"
        case .noProcess: "There is no such process"
        case .changing: "The kernel is being changed for the claim"
        case .enforced: "An enforced claim must be released before it can be enforced otherwise"
        case .recorded: "A recorded claim must be released before it can be enforced"
        case .notEnforceable: "The kernel cannot enforce the claim"
        case .noEnforcement: "Nothing here can enforce a claim"
        case .notEnforced: "Nothing is enforced here, so nothing can be verified"
        case .machineUnreadable: "The machine cannot be understood"
        case .notCommitted: "The change could not be stored"
        case .overloaded: "Too many changes wait for the disk"
        case .stopping: "The service is stopping"
        case .outcomeUnknown: "The change was not decided in time; it may still take effect"
        }
    }
}
