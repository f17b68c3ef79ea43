import Domain
import Terminal
import WireJSON

extension DomainView {
    /// `show node capabilities`.
    package func nodeCapabilities(_ naming: NodeNaming) -> Report {
        Report("nodes", nodes.sorted { $0.key < $1.key }) { node, item in
            "\(name(of: node, naming)) -> \(item.value.sentence)"
        } members: { item, writer in
            nodeMembers(item.key, naming, &writer)
            writer.member("capabilities", item.value.document)
        }
    }

    /// `show node health`.
    package func nodeHealth(_ naming: NodeNaming) -> Report {
        Report("nodes", health.sorted { $0.key < $1.key }) { node, item in
            "\(name(of: node, naming)) -> \(item.value.sentence)"
        } members: { item, writer in
            nodeMembers(item.key, naming, &writer)
            writer.member("health", item.value.document)
        }
    }

    /// `show node resource-providers`.
    package func resourceProviders(_ naming: NodeNaming) -> Report {
        Report("providers", providers.sorted { $0.key < $1.key }) { id, item in
            let outputs = item.provider.outputs.map(Printable.text).joined(separator: ",")
            return "\(Printable.text(id)) -> class_type \(Printable.text(item.provider.classType)), "
                + "node_id \(name(of: item.node, naming)), outputs [\(outputs)]"
        } members: { item, writer in
            writer.member("id", item.key)
            writer.member("class_type", item.value.provider.classType)
            writer.member("node", item.value.node.description)
            writer.member("outputs", item.value.provider.outputs)
        }
    }

    /// `show node instances`: the instances on each node, then those without one.
    package func nodeInstances(_ naming: NodeNaming) -> Report {
        var groups: [NodeID: [InstanceView]] = [:]
        for node in knownNodes { groups[node] = [] }
        var waiting: [InstanceView] = []
        for instance in instances.values.sorted(by: { $0.id < $1.id }) {
            for place in instance.physical { groups[place.node, default: []].append(instance) }
            if instance.physical.isEmpty { waiting.append(instance) }
        }
        func line(_ instance: InstanceView) -> String {
            "[\(instance.kind == .function ? "F" : "R")] \(label(of: instance))"
        }
        let nodes = groups.sorted { $0.key < $1.key }
        var lines = nodes.flatMap { [name(of: $0.key, naming)] + $0.value.map(line) }
        if !waiting.isEmpty { lines += ["-"] + waiting.map(line) }
        func write(_ instances: [InstanceView], _ writer: inout JSONWriter) {
            for kind in [ComponentKind.function, .resource] {
                writer.member("\(kind)s", instances.filter { $0.kind == kind }.map(\.id.description))
            }
        }
        return Report(lines) { writer in
            writer.name("nodes")
            writer.array { array in
                for (node, instances) in nodes {
                    array.object { writer in
                        nodeMembers(node, naming, &writer)
                        write(instances, &writer)
                    }
                }
            }
            writer.name("waiting")
            writer.object { write(waiting, &$0) }
        }
    }

    /// `show node status`: the orchestrator's view of each node; only in Berth's mirror.
    package func nodeStatus(_ naming: NodeNaming) -> Report {
        Report("nodes", status.sorted { $0.key < $1.key }) { node, status in
            "\(name(of: node, naming)) -> \(status.isReady ? "ready" : "joining"), "
                + (status.isCordoned ? "cordoned, " : "") + "agent \(Printable.text(status.agentURL)), "
                + "invocation \(Printable.text(status.invocationURL))"
        } members: { item, writer in
            nodeMembers(item.key, naming, &writer)
            writer.member("ready", item.value.isReady)
            writer.member("cordoned", item.value.isCordoned)
            writer.member("agent_url", item.value.agentURL)
            writer.member("invocation_url", item.value.invocationURL)
        }
    }

    private func nodeMembers(_ node: NodeID, _ naming: NodeNaming, _ writer: inout JSONWriter) {
        writer.member("id", node.description)
        writer.member("name", name(of: node, naming))
    }
}

extension NodeCapabilities {
    /// In the words of proxy_cli.
    fileprivate var sentence: String {
        "\(cpus) \(Printable.text(cpuModel)) CPU(s) at \(DecimalText.shortest(Double(cpuFrequency))) BogoMIPS, "
            + "\(cores) core(s), \(memoryMiB) MiB memory, labels [\(labels.map(Printable.text).joined(separator: ","))]"
            + (hasTEE ? ", TEE" : "") + (hasTPM ? ", TPM" : "")
            + ", runtimes [\(runtimes.map(Printable.text).joined(separator: ","))], disk space \(diskMiB) MiB, "
            + "\(gpus) \(Printable.text(gpuModel)) GPU(s) \(gpuMemoryMiB) MiB"
    }
}

extension NodeHealth {
    /// In the words of proxy_cli.
    fileprivate var sentence: String {
        "memory free \(memoryFree) kb, used \(memoryUsed) kb, available \(memoryAvailable) kb, "
            + "process cpu usage \(processCPU)%, memory \(processMemory) kb, vmemory \(processVirtualMemory) kb, "
            + "load avg 1 minute \(load1)% 5 minutes \(load5)% 15 minutes \(load15)%, "
            + "network tot rx \(receivedBytes) bytes (\(receivedPackets) pkts) \(receiveErrors) errs, "
            + "tot tx \(sentBytes) bytes (\(sentPackets) pkts) \(sendErrors) errs, "
            + "disk available \(diskFree) bytes, tot disk reads \(diskReads) writes \(diskWrites), "
            + "gpu_load_perc \(gpuLoad)%, gpu_temp_cels \(DecimalText.fixed(Double(gpuTemperature) / 1000, 2))°, "
            + "active_power \(activePower) mW"
    }
}
