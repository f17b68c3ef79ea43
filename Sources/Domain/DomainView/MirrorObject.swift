import Domain
import WireJSON

/// A JSON object of the mirror with typed access to its members.
struct MirrorObject {
    let document: JSONValue

    /// Parses a text.
    init(_ text: String) throws(ReadingError) {
        do { try self.init(JSONValue(Array(text.utf8))) } catch let error as JSONError {
            throw ReadingError("not JSON: \(error)")
        } catch { throw ReadingError("not a JSON object") }
    }

    init(_ document: JSONValue) throws(ReadingError) {
        guard document.members != nil else { throw ReadingError("not a JSON object") }
        self.document = document
    }

    func member(_ name: String) throws(ReadingError) -> JSONValue {
        guard let value = document[name] else { throw ReadingError("\(name) is missing") }
        return value
    }

    func text(_ name: String) throws(ReadingError) -> String {
        guard let text = try member(name).string else { throw ReadingError("\(name) is not a string") }
        return text
    }

    func texts(_ name: String) throws(ReadingError) -> [String] {
        guard let values = try member(name).array else { throw ReadingError("\(name) is not a list") }
        var texts: [String] = []
        for value in values {
            guard let text = value.string else {
                throw ReadingError("\(name) contains an element that is not a string")
            }
            texts.append(text)
        }
        return texts
    }

    func flag(_ name: String) throws(ReadingError) -> Bool {
        guard let flag = try member(name).boolean else { throw ReadingError("\(name) is neither true nor false") }
        return flag
    }

    func number<Number: FixedWidthInteger>(_ name: String) throws(ReadingError) -> Number {
        guard let number = try member(name).integer.flatMap({ Number(exactly: $0) }) else {
            throw ReadingError("\(name) is not an integer from \(Number.min) to \(Number.max)")
        }
        return number
    }

    func object(_ name: String) throws(ReadingError) -> MirrorObject {
        do throws(ReadingError) { return try MirrorObject(member(name)) } catch {
            throw ReadingError("\(name): \(error.reason)")
        }
    }
}

/// A value that cannot be parsed.
struct ReadingError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}

extension NodeCapabilities {
    init(mirror object: MirrorObject) throws(ReadingError) {
        self.init()
        cpus = try object.number("num_cpus")
        cpuModel = try object.text("model_name_cpu")
        // EDGELESS writes null for a value that is not a number.
        switch try object.member("clock_freq_cpu") {
        case .null: cpuFrequency = 0
        case .number(let text): cpuFrequency = Float(text) ?? 0
        default: throw ReadingError("clock_freq_cpu is not a number")
        }
        cores = try object.number("num_cores")
        memoryMiB = try object.number("mem_size")
        labels = try object.texts("labels")
        hasTEE = try object.flag("is_tee_running")
        hasTPM = try object.flag("has_tpm")
        runtimes = try object.texts("runtimes")
        diskMiB = try object.number("disk_tot_space")
        gpus = try object.number("num_gpus")
        gpuModel = try object.text("model_name_gpu")
        gpuMemoryMiB = try object.number("mem_size_gpu")
    }
}

extension NodeHealth {
    init(mirror object: MirrorObject) throws(ReadingError) {
        self.init()
        memoryFree = try object.number("mem_free")
        memoryUsed = try object.number("mem_used")
        memoryAvailable = try object.number("mem_available")
        processCPU = try object.number("proc_cpu_usage")
        processMemory = try object.number("proc_memory")
        processVirtualMemory = try object.number("proc_vmemory")
        load1 = try object.number("load_avg_1")
        load5 = try object.number("load_avg_5")
        load15 = try object.number("load_avg_15")
        receivedBytes = try object.number("tot_rx_bytes")
        receivedPackets = try object.number("tot_rx_pkts")
        receiveErrors = try object.number("tot_rx_errs")
        sentBytes = try object.number("tot_tx_bytes")
        sentPackets = try object.number("tot_tx_pkts")
        sendErrors = try object.number("tot_tx_errs")
        diskFree = try object.number("disk_free_space")
        diskReads = try object.number("disk_tot_reads")
        diskWrites = try object.number("disk_tot_writes")
        gpuLoad = try object.number("gpu_load_perc")
        gpuTemperature = try object.number("gpu_temp_cels")
        // Not in the seed schema.
        activePower = object.document["active_power"] == nil ? -1 : try object.number("active_power")
    }
}
