import KubernetesClient

/// What somebody asks for over gRPC cannot be done; the text is for people.
package struct PinningFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// A pod as a call over gRPC names it.
package struct CalledPod: Equatable, Sendable {
    package var key: ObjectKey
    package var uid: String
    /// The names and ids of containers.
    package var containers: [PodContainer]

    package init(key: ObjectKey, uid: String, containers: [PodContainer] = []) {
        self.key = key
        self.uid = uid
        self.containers = containers
    }

    /// - Throws: ``PinningFailure`` where a name, the uid or the id of a container cannot be one.
    fileprivate func check() throws(PinningFailure) {
        for (what, name) in [("name", key.name), ("namespace", key.namespace)] {
            let isName = name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "-")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: ".")
            }
            guard isName, !name.isEmpty, name.utf8.count <= 253 else {
                throw PinningFailure("the \(what) of the pod is no name of Kubernetes")
            }
        }
        let parts = uid.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12], parts.allSatisfy({ Self.isHexadecimal($0) }) else {
            throw PinningFailure("the id of the pod \(key) is no UID")
        }
        for container in containers {
            let id = container.id.firstRange(of: "://").map { container.id[$0.upperBound...] } ?? container.id[...]
            guard id.utf8.count == 64, Self.isHexadecimal(id) else {
                throw PinningFailure(
                    "the id of container \(Self.printable(container.name)) in pod \(key) is not 64 hexadecimal digits")
            }
        }
    }

    private static func isHexadecimal(_ text: Substring) -> Bool {
        text.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }

    private static func printable(_ name: String) -> String { name.utf8.count <= 63 ? name.debugDescription : "…" }
}

extension NodeAgent {
    /// Pins a pod of this node until that is removed or the pod is gone. The level is that of the binding that names the
    /// pod, else none.
    package func apply(_ called: CalledPod, cpus: [Int], memoryNodes: [Int]) async throws(PinningFailure) {
        try called.check()
        guard !cpus.isEmpty else { throw PinningFailure("there are no CPUs to pin the pod \(called.key) to") }
        guard cpus.allSatisfy({ (0...16_383).contains($0) }), memoryNodes.allSatisfy({ (0...1_023).contains($0) })
        else { throw PinningFailure("a CPU or NUMA node has a number that none can have") }
        try await find(called)
        let binding = bindings.objects(by: .pod, called.key.description).min { one, other in
            (one.metadata.creationTimestamp?.description ?? "", one.metadata.uid)
                < (other.metadata.creationTimestamp?.description ?? "", other.metadata.uid)
        }
        let pinning = PodSituation.Pinning(
            podUID: called.uid, cpus: CPUNumbers.list(cpus), level: binding?.exclusivenessLevel ?? .none,
            memoryNodes: Set(memoryNodes).sorted())
        if let failure = await pinnings.ask(.apply(pinning), for: called.key) { throw PinningFailure(failure) }
    }

    /// Gives back what a pod was pinned to by ``apply(_:cpus:memoryNodes:)``.
    package func remove(_ called: CalledPod) async throws(PinningFailure) {
        try called.check()
        if let pod = pods[called.key], pod.metadata.uid != called.uid {
            throw PinningFailure("the pod \(called.key) has the UID \(pod.metadata.uid)")
        }
        if let failure = await pinnings.ask(.remove, for: called.key) { throw PinningFailure(failure) }
    }

    /// Whether the pod runs on this node. One that the copy does not have yet is asked for: the call may be faster than the
    /// watch.
    private func find(_ called: CalledPod) async throws(PinningFailure) {
        var found = pods[called.key]
        if found?.metadata.uid != called.uid {
            do throws(KubernetesError) {
                found = try await client.resources(Pod.self).get(called.key.name, namespace: called.key.namespace)
            } catch {
                guard error.reason == .notFound else {
                    throw PinningFailure(
                        "the pod \(called.key) is not known, and the cluster does not answer: \(error)")
                }
            }
        }
        guard let found, found.metadata.uid == called.uid else {
            throw PinningFailure("there is no pod \(called.key) with the UID \(called.uid)")
        }
        guard found.nodeName == node else {
            throw PinningFailure("the pod \(called.key) is not on the node \(node)")
        }
        // The worker decides on the copy.
        for _ in 0..<200 where pods[called.key]?.metadata.uid != called.uid {
            try? await system.sleep(.milliseconds(10))
        }
        guard let pod = pods[called.key], pod.metadata.uid == called.uid else {
            throw PinningFailure("the pod \(called.key) is not known yet")
        }
        let running = Set(pod.runningContainers.map(\.id))
        if let container = called.containers.first(where: { !running.contains($0.id) }) {
            throw PinningFailure(
                "failed to update cpu set for container \(container.name) in pod \(called.key): it does not run")
        }
    }
}
