import WireJSON

/// The lines of a watch: the same however the bytes are cut; what is an event has objects whose properties can be read, and
/// which are the same after they were written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzWatch(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let size = Int(input.byte()) + 1
    let text = input.all
    func lines(_ size: Int) -> [[UInt8]] {
        var splitter = LineSplitter(limit: 4096)
        var lines: [[UInt8]] = []
        var rest = text[...]
        while !rest.isEmpty {
            splitter.add(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
            do throws(KubernetesError) {
                while let line = try splitter.next() { lines.append(line) }
            } catch {
                return lines
            }
        }
        return lines
    }
    let all = lines(max(text.count, 1))
    require(lines(size) == all, "pieces of \(size) bytes come to other lines")
    var store = ObjectStore<Pod>(indexers: [.namespace, .node])
    for line in all {
        if let event = try? WatchEvent<Pod>(line) {
            _ = store.apply(event)
            _ = event.resourceVersion
        }
        guard case .added(let object)? = try? WatchEvent<UntypedObject>(line) else { continue }
        look(object.json)
        require((try? JSONValue(object.json.bytes, maximumDepth: 200)) == object.json, "it does not read back")
    }
    let indexed = Set(store.all.compactMap(\.nodeName)).flatMap { store.objects(by: "node", $0) }
    require(indexed.count == store.all.filter { $0.nodeName != nil }.count, "the index differs")
    return 0
}

/// Reads every property, and sets some.
private func look(_ json: JSONValue) {
    var pod = Pod(json: json)
    _ = (pod.containers.map(\.requests), pod.overhead, pod.isReady, pod.phase, pod.containerStatuses.map(\.isRunning))
    _ = (pod.metadata.creationTimestamp?.description, pod.metadata.ownerReferences.map(\.uid), pod.key)
    pod.metadata.labels["a"] = "b"
    require(pod.metadata.labels["a"] == "b", "a label that was set is not there")
    let node = Node(json: json)
    _ = (node.internalIP, node.allocatable["cpu"]?.value, node.isReady)
    var topology = NodeCPUTopology(json: json)
    if let cpus = topology.topology {
        topology.topology = cpus
        require(topology.topology == cpus, "the topology does not read back")
    }
    var binding = PodCPUBinding(json: json)
    binding.cpuSet = binding.cpuSet
    let lease = Lease(json: json)
    _ = (lease.renewTime, lease.leaseDurationSeconds, Event(json: json).involvedObject, Status(json: json).retryAfter)
}
