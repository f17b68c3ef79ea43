import Domain
import WireJSON

extension NodeRecord {
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", "\(id)")
            writer.number("nonce", nonce)
            writer.member("agent_url", description.agentURL)
            writer.member("invocation_url", description.invocationURL)
            writer.name("providers")
            writer.array { array in
                for provider in description.providers {
                    array.object { writer in
                        writer.member("provider_id", provider.id)
                        writer.member("class_type", provider.classType)
                        writer.member("outputs", provider.outputs)
                    }
                }
            }
            writer.name("capabilities")
            description.capabilities.write(to: &writer)
            writer.name("claims")
            writer.object { writer in
                for (name, number) in claims.sorted(by: { $0.value < $1.value }) { writer.number(name, number) }
            }
            writer.member("is_reset", isReset)
            writer.member("is_meshed", isMeshed)
            if !formerNonces.isEmpty {
                writer.name("former_nonces")
                writer.array { array in for nonce in formerNonces { array.value(JSONValue.number(String(nonce))) } }
            }
        }
    }

    init(json: JSONValue) throws(DomainRecordError) {
        var providers: [ResourceProvider] = []
        for provider in json["providers"]?.array ?? [] {
            providers.append(
                ResourceProvider(
                    id: try provider.text("provider_id"), classType: try provider.text("class_type"),
                    outputs: try provider.list("outputs")))
        }
        var claims: [String: UInt64] = [:]
        for member in json["claims"]?.members ?? [] { claims[member.name] = try member.value.word() }
        var formerNonces: [UInt64] = []
        for nonce in json["former_nonces"]?.array ?? [] { formerNonces.append(try nonce.word()) }
        guard let capabilities = json["capabilities"], let isReset = json["is_reset"]?.boolean,
            let isMeshed = json["is_meshed"]?.boolean
        else { throw DomainRecordError("a node without capabilities, is_reset or is_meshed") }
        self.init(
            id: try json["id"].identifier(), nonce: try json.word("nonce"),
            description: NodeDescription(
                agentURL: try json.text("agent_url"), invocationURL: try json.text("invocation_url"),
                providers: providers, capabilities: try NodeCapabilities(json: capabilities)),
            claims: claims, isReset: isReset, isMeshed: isMeshed, formerNonces: formerNonces)
    }
}

extension NodeCapabilities {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("num_cpus", Int(cpus))
            writer.member("model_name_cpu", cpuModel)
            // The bits: no text of a number is needed, and none is lost.
            writer.member("clock_freq_cpu_bits", Int(cpuFrequency.bitPattern))
            writer.member("num_cores", Int(cores))
            writer.member("mem_size", Int(memoryMiB))
            writer.member("labels", labels)
            writer.member("is_tee_running", hasTEE)
            writer.member("has_tpm", hasTPM)
            writer.member("runtimes", runtimes)
            writer.member("disk_tot_space", Int(diskMiB))
            writer.member("num_gpus", Int(gpus))
            writer.member("model_name_gpu", gpuModel)
            writer.member("mem_size_gpu", Int(gpuMemoryMiB))
        }
    }

    fileprivate init(json: JSONValue) throws(DomainRecordError) {
        self.init()
        func number(_ name: String) throws(DomainRecordError) -> UInt32 {
            guard let number = json[name]?.integer.flatMap(UInt32.init(exactly:)) else {
                throw DomainRecordError("capabilities without \(name)")
            }
            return number
        }
        cpus = try number("num_cpus")
        cpuModel = try json.text("model_name_cpu")
        cpuFrequency = Float(bitPattern: try number("clock_freq_cpu_bits"))
        cores = try number("num_cores")
        memoryMiB = try number("mem_size")
        labels = try json.list("labels")
        hasTEE = json["is_tee_running"]?.boolean ?? false
        hasTPM = json["has_tpm"]?.boolean ?? false
        runtimes = try json.list("runtimes")
        diskMiB = try number("disk_tot_space")
        gpus = try number("num_gpus")
        gpuModel = try json.text("model_name_gpu")
        gpuMemoryMiB = try number("mem_size_gpu")
    }
}

// MARK: - Members

extension JSONWriter {
    /// A number of 64 bits.
    mutating func number(_ name: String, _ value: UInt64) { member(name, JSONValue.number(String(value))) }
}

extension JSONValue {
    func word() throws(DomainRecordError) -> UInt64 {
        guard case .number(let text) = self, let word = UInt64(text) else {
            throw DomainRecordError("no number of 64 bits where one should be")
        }
        return word
    }

    func word(_ name: String) throws(DomainRecordError) -> UInt64 {
        guard let value = self[name] else { throw DomainRecordError("\(name) is missing") }
        return try value.word()
    }

    func text(_ name: String) throws(DomainRecordError) -> String {
        guard let text = self[name]?.string else { throw DomainRecordError("\(name) is no text") }
        return text
    }

    func list(_ name: String) throws(DomainRecordError) -> [String] {
        guard let elements = self[name]?.array else { throw DomainRecordError("\(name) is no list") }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else { throw DomainRecordError("\(name) holds what is no text") }
            texts.append(text)
        }
        return texts
    }

    func texts(_ name: String) throws(DomainRecordError) -> [String: String] {
        guard let members = self[name]?.members else { throw DomainRecordError("\(name) is no object") }
        var texts: [String: String] = [:]
        for member in members {
            guard let text = member.value.string else { throw DomainRecordError("\(name) holds what is no text") }
            texts[member.name] = text
        }
        return texts
    }

    func identifier<Kind>() throws(DomainRecordError) -> Identifier<Kind> {
        guard let id = string.flatMap({ Identifier<Kind>($0) }) else {
            throw DomainRecordError("no identifier where one should be")
        }
        return id
    }
}

extension JSONValue? {
    func identifier<Kind>() throws(DomainRecordError) -> Identifier<Kind> {
        guard let self else { throw DomainRecordError("an identifier is missing") }
        return try self.identifier()
    }
}
