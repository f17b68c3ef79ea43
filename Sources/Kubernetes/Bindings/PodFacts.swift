/// What decisions need to know of a pod.
package struct PodFacts: Sendable, Equatable {
    /// A container of the pod's spec.
    package struct Container: Sendable, Equatable {
        /// What it does.
        package enum State: Sendable, Equatable { case waiting, running, terminated }

        /// Its name.
        package var name: String
        /// The id of its newest instance; nil before the first.
        package var id: String?
        /// What it does.
        package var state: State

        /// A container.
        package init(name: String, id: String? = nil, state: State) {
            self.name = name
            self.id = id
            self.state = state
        }
    }

    /// Its uid.
    package var uid: String
    /// The node that it is bound to; nil before.
    package var node: String?
    /// Whether its phase is Succeeded or Failed.
    package var isFinished: Bool
    /// Whether it has a deletion timestamp.
    package var isBeingDeleted: Bool
    /// The containers of its spec, sidecars included. Init containers and ephemeral ones come and go: they are pinned
    /// while they run, and nothing waits for them.
    package var containers: [Container]

    /// A pod.
    package init(
        uid: String, node: String? = nil, isFinished: Bool = false, isBeingDeleted: Bool = false,
        containers: [Container] = []
    ) {
        self.uid = uid
        self.node = node
        self.isFinished = isFinished
        self.isBeingDeleted = isBeingDeleted
        self.containers = containers
    }

    /// Whether none of its containers runs or will run again.
    package var isOver: Bool {
        if isFinished { return true }
        return isBeingDeleted && containers.allSatisfy { $0.state == .terminated }
    }

    /// Whether each container has been started at least once.
    var hasStarted: Bool { !containers.isEmpty && containers.allSatisfy { $0.id != nil } }
    /// The ids of the containers that run.
    var running: [String] { containers.filter { $0.state == .running }.compactMap(\.id) }
}
