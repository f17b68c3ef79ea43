package import Bindings
package import KubernetesClient

extension PodFacts {
    /// The facts of a pod.
    package init(_ pod: Pod) {
        let statuses = pod.containerStatuses + pod.initContainerStatuses
        self.init(
            uid: pod.metadata.uid, node: pod.nodeName, isFinished: pod.isFinished,
            isBeingDeleted: pod.metadata.isBeingDeleted,
            containers: (pod.containers + pod.initContainers.filter(\.isSidecar)).map { container in
                Container(name: container.name, statuses.first { $0.name == container.name })
            })
    }
}

extension PodFacts.Container {
    fileprivate init(name: String, _ status: ContainerStatus?) {
        let state: State =
            switch status {
            case let status? where status.isRunning: .running
            case let status? where status.isTerminated: .terminated
            default: .waiting
            }
        self.init(name: name, id: status?.containerID, state: state)
    }
}
