/// How much a domain stores, in bytes: texts as they are written, and the code of functions, which those with the same code
/// share.
struct StateSize: Hashable, Sendable {
    /// The texts of nodes, instances and their wiring.
    private(set) var texts = 0
    /// The code of functions.
    private(set) var code = 0
    /// How many instances have each code.
    private var users: [String: Int] = [:]

    /// More text than this fits into no record of the store, which takes 1 GB.
    static let textLimit = 768 << 20

    /// The size of these records.
    init(of records: DomainRecords) {
        for node in records.nodes.values { texts += Self.size(of: node.description) }
        for record in records.instances.values { add(record.specification) }
        for wiring in records.wirings.values { texts += Self.size(of: wiring) }
    }

    /// Takes a change that is about to be applied to `records`.
    mutating func take(_ change: DomainChange, of records: DomainRecords) {
        switch change {
        case .node(let record):
            texts += Self.size(of: record.description) - Self.size(of: records.nodes[record.id]?.description)
        case .nodeRemoved(let id): texts -= Self.size(of: records.nodes[id]?.description)
        case .instance(let record):
            if let former = records.instances[record.id] { remove(former.specification) }
            add(record.specification)
        case .instanceRemoved(let id):
            if let former = records.instances[id] { remove(former.specification) }
            texts -= Self.size(of: records.wirings[id])
        case .wiring(let origin, let wiring): texts += Self.size(of: wiring) - Self.size(of: records.wirings[origin])
        case .identity, .domain, .cordon, .departed, .placed, .orphan, .stopFailed, .patchDue, .starting,
            .unknownOutcome:
            break
        }
    }

    /// Why so much more cannot be stored; nil if it can.
    ///
    /// - Parameters:
    ///   - texts: bytes of text.
    ///   - code: bytes of code that nobody has yet.
    ///   - limit: the maximum of texts and code together.
    func refusal(of texts: Int, code: Int = 0, limit: Int) -> DomainRefusal? {
        let (sum, texts) = (self.texts + texts + self.code + code, self.texts + texts)
        if sum > limit {
            return DomainRefusal(
                "state too large",
                detail: "it would have \(sum) bytes, and general.state_limit_bytes is \(limit). Stop what is not needed"
            )
        }
        guard texts > Self.textLimit else { return nil }
        return DomainRefusal(
            "state too large",
            detail:
                "it would have \(texts) bytes of text without the code of functions, of which \(Self.textLimit) can "
                + "be stored. Stop what is not needed")
    }

    /// The bytes of code that a specification adds.
    func newCode(of specification: Specification) -> Int {
        guard let binary = specification.binary, users[binary.digest] == nil else { return 0 }
        return binary.bytes.count
    }

    private mutating func add(_ specification: Specification) {
        texts += Self.size(of: specification)
        guard let binary = specification.binary else { return }
        code += newCode(of: specification)
        users[binary.digest, default: 0] += 1
    }

    private mutating func remove(_ specification: Specification) {
        texts -= Self.size(of: specification)
        guard let binary = specification.binary, let count = users[binary.digest] else { return }
        users[binary.digest] = count > 1 ? count - 1 : nil
        if count == 1 { code -= binary.bytes.count }
    }
}

extension StateSize {
    /// What is stored for a node, an instance or a wiring besides its texts: ids, numbers, names of fields.
    private static let overhead = 512

    /// The stored size of a node's description.
    static func size(of description: NodeDescription?) -> Int {
        guard let description else { return 0 }
        let capabilities = description.capabilities
        let providers = description.providers.map { size(of: [$0.id, $0.classType]) + size(of: $0.outputs) }
        return overhead + size(of: [description.agentURL, description.invocationURL])
            + size(of: [capabilities.cpuModel, capabilities.gpuModel]) + size(of: capabilities.labels)
            + size(of: capabilities.runtimes) + providers.reduce(0, +)
    }

    /// The stored size of an instance, without the code of a function.
    static func size(of specification: Specification) -> Int {
        switch specification {
        case .function(let function):
            let type = function.functionClass
            return overhead + size(of: [type.id, type.runtime, type.version, type.code ?? "", function.workflowID])
                + size(of: type.outputs) + size(of: function.annotations)
        case .resource(let resource):
            return overhead + size(of: [resource.classType, resource.workflowID]) + size(of: resource.configuration)
        }
    }

    private static func size(of wiring: [String: LogicalID]?) -> Int {
        guard let wiring else { return 0 }
        return overhead + wiring.keys.reduce(0) { $0 + size(of: $1) + 40 }
    }

    private static func size(of texts: [String: String]) -> Int {
        texts.reduce(0) { $0 + size(of: $1.key) + size(of: $1.value) }
    }

    private static func size(of texts: [String]) -> Int { texts.reduce(0) { $0 + size(of: $1) } }

    /// The bytes of a text in JSON, quotes and a comma included.
    private static func size(of text: String) -> Int {
        text.utf8.reduce(3) { sum, byte in
            sum + (byte < 0x20 ? 6 : byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? 2 : 1)
        }
    }
}

extension Specification {
    /// The code that travels with it.
    var binary: Binary? { if case .function(let function) = self { function.functionClass.binary } else { nil } }
}
