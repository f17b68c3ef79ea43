import Domain
import WireJSON

/// The JSON of the mirror's values, key order and all (domain specification, section 5.2).
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
    /// - Parameter hasPower: whether `active_power` is there; the seed's readers do not know it.
    func mirrorJSON(hasPower: Bool) -> String {
        JSONWriter.text { writer in
            writer.member("mem_free", Int(memoryFree))
            writer.member("mem_used", Int(memoryUsed))
            writer.member("mem_available", Int(memoryAvailable))
            writer.member("proc_cpu_usage", Int(processCPU))
            writer.member("proc_memory", Int(processMemory))
            writer.member("proc_vmemory", Int(processVirtualMemory))
            writer.member("load_avg_1", Int(load1))
            writer.member("load_avg_5", Int(load5))
            writer.member("load_avg_15", Int(load15))
            writer.member("tot_rx_bytes", Int(receivedBytes))
            writer.member("tot_rx_pkts", Int(receivedPackets))
            writer.member("tot_rx_errs", Int(receiveErrors))
            writer.member("tot_tx_bytes", Int(sentBytes))
            writer.member("tot_tx_pkts", Int(sentPackets))
            writer.member("tot_tx_errs", Int(sendErrors))
            writer.member("disk_free_space", Int(diskFree))
            writer.member("disk_tot_reads", Int(diskReads))
            writer.member("disk_tot_writes", Int(diskWrites))
            writer.member("gpu_load_perc", Int(gpuLoad))
            writer.member("gpu_temp_cels", Int(gpuTemperature))
            if hasPower { writer.member("active_power", Int(activePower)) }
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
    /// - Parameter isSeed: whether the function's class has the names that it had at the time of the seed.
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
        // Never the code: it may be large, and nobody reads it there.
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
    /// As readers take it apart at its blanks.
    var mirrorText: String { "InstanceId(node_id: \(node), function_id: \(component))" }
}

extension JSONWriter {
    static func text(_ body: (inout JSONWriter) -> Void) -> String { String(decoding: object(body), as: UTF8.self) }
}
