import Domain
import WireJSON

/// The JSON of the mirror's values, including the key order (domain specification, section 5.2).
extension NodeCapabilities {
    var mirrorJSON: String {
        JSONWriter.text { writer in
            writer.member("num_cpus", Int(cpus))
            writer.member("model_name_cpu", cpuModel)
            writer.member("clock_freq_cpu", JSONValue.number(NumberText.decimal(cpuFrequency)))
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
}

extension NodeHealth {
    /// Its values by the names that readers know, in order; `active_power`, which is newer than the seed schema, comes
    /// last.
    var figures: [(name: String, value: Int64)] {
        [
            ("mem_free", Int64(memoryFree)), ("mem_used", Int64(memoryUsed)), ("mem_available", Int64(memoryAvailable)),
            ("proc_cpu_usage", Int64(processCPU)), ("proc_memory", Int64(processMemory)),
            ("proc_vmemory", Int64(processVirtualMemory)), ("load_avg_1", Int64(load1)), ("load_avg_5", Int64(load5)),
            ("load_avg_15", Int64(load15)), ("tot_rx_bytes", receivedBytes), ("tot_rx_pkts", receivedPackets),
            ("tot_rx_errs", receiveErrors), ("tot_tx_bytes", sentBytes), ("tot_tx_pkts", sentPackets),
            ("tot_tx_errs", sendErrors), ("disk_free_space", diskFree), ("disk_tot_reads", diskReads),
            ("disk_tot_writes", diskWrites), ("gpu_load_perc", Int64(gpuLoad)),
            ("gpu_temp_cels", Int64(gpuTemperature)), ("active_power", Int64(activePower)),
        ]
    }

    /// - Parameter hasPower: whether to include `active_power`.
    func mirrorJSON(hasPower: Bool) -> String {
        JSONWriter.text { writer in
            for (name, value) in hasPower ? figures : figures.dropLast() { writer.member(name, Int(value)) }
        }
    }
}

extension ResourceProvider {
    func mirrorJSON(node: NodeID) -> String {
        JSONWriter.text { writer in
            writer.member("class_type", classType)
            writer.member("node_id", "\(node)")
            writer.member("outputs", outputs)
        }
    }
}

extension InstanceRecord {
    /// - Parameter isSeed: whether to use the names of the seed schema for the function's class.
    func mirrorJSON(isSeed: Bool) -> String {
        JSONWriter.text { writer in
            switch specification {
            case .function(let function):
                writer.name("Function")
                writer.array { array in
                    array.object { writer in function.write(to: &writer, isSeed: isSeed) }
                    array.array { array in if let physical { array.string(physical.mirrorText) } }
                }
            case .resource(let resource):
                writer.name("Resource")
                writer.array { array in
                    array.object { writer in
                        writer.member("class_type", resource.classType)
                        writer.member("configuration", resource.configuration)
                        writer.member("workflow_id", resource.workflowID)
                    }
                    array.string((physical ?? .none).mirrorText)
                }
            }
        }
    }
}

extension FunctionSpecification {
    fileprivate func write(to writer: inout JSONWriter, isSeed: Bool) {
        // Without the code, which may be large and has no readers here.
        if isSeed {
            writer.name("code")
            writer.object { writer in
                writer.member("function_class_id", functionClass.id)
                writer.member("function_class_type", functionClass.runtime)
                writer.member("function_class_version", functionClass.version)
                writer.member("function_class_outputs", functionClass.outputs)
            }
        } else {
            writer.name("spec")
            writer.object { writer in
                writer.member("id", functionClass.id)
                writer.member("function_type", functionClass.runtime)
                writer.member("version", functionClass.version)
                writer.name("binary")
                writer.null()
                writer.name("code")
                if let code = functionClass.code { writer.string(code) } else { writer.null() }
                writer.member("outputs", functionClass.outputs)
            }
        }
        writer.member("annotations", annotations)
        writer.name("state_specification")
        writer.object { writer in
            writer.member("state_id", "\(stateID)")
            let policy =
                switch statePolicy {
                case .transient: "Transient"
                case .nodeLocal: "NodeLocal"
                case .global: "Global"
                }
            writer.member("state_policy", policy)
        }
        writer.member("workflow_id", workflowID)
    }
}

extension PhysicalID {
    /// The form that readers split at spaces.
    var mirrorText: String { "InstanceId(node_id: \(node), function_id: \(component))" }
}

extension JSONWriter {
    static func text(_ body: (inout JSONWriter) -> Void) -> String { String(decoding: object(body), as: UTF8.self) }
}
