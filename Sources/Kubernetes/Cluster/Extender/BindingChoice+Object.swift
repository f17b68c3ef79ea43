package import Bindings
package import KubernetesClient
import Machine

extension PodCPUBinding {
    /// The annotation in which the extender notes the node that it has chosen the CPUs of: before the pod is bound there,
    /// nothing else says so.
    package static let nodeAnnotation = "cslab.ece.ntua.gr/node"

    /// The binding of a choice.
    package init(_ choice: BindingChoice) {
        self.init(name: choice.binding.name, namespace: choice.binding.namespace)
        podName = choice.pod.name
        cpuSet = Array(choice.cpus)
        exclusivenessLevel = ExclusivenessLevel(rawValue: choice.level.rawValue)
        metadata.annotations[Self.nodeAnnotation] = choice.node
        metadata.ownerReferences = [
            OwnerReference(json: [
                "apiVersion": "v1", "kind": "Pod", "name": .string(choice.pod.name), "uid": .string(choice.podUID),
            ])
        ]
    }

    /// The node that the extender has chosen the CPUs of; nil for a binding of somebody else.
    package var chosenNode: String? { metadata.annotations[Self.nodeAnnotation].flatMap { $0.isEmpty ? nil : $0 } }

    /// The annotation in which the extender counts the tries to bind the pod, from the second on.
    static let triesAnnotation = "cslab.ece.ntua.gr/tries"

    /// How often it was tried to bind the pod with this binding.
    package var tries: Int { metadata.annotations[Self.triesAnnotation].flatMap { Int($0) } ?? 1 }

    /// Counts another try. The version changes with it, so that a request of an earlier try that deletes this version of the
    /// binding does nothing, however late it comes to the server.
    package var nextTry: Patch {
        .merge([
            "metadata": [
                "resourceVersion": .string(metadata.resourceVersion),
                "annotations": .object([.init(name: Self.triesAnnotation, value: .string(String(tries &+ 1)))]),
            ]
        ])
    }

    /// The uid of the pod that it is for, where that is known.
    package var knownPodUID: String? {
        podUID ?? metadata.ownerReferences.first { $0.kind == Pod.resourceKind.kind }?.uid
    }

    /// Whether it is what the extender makes of a choice.
    package func isMade(of choice: BindingChoice) -> Bool {
        knownPodUID == choice.podUID && podName == choice.pod.name && chosenNode == choice.node
            && CPUSet(cpuSet) == choice.cpus && exclusivenessLevel?.rawValue == choice.level.rawValue
    }
}
