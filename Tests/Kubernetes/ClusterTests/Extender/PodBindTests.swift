import Cluster
import KubernetesClient
import Testing

/// What an extender concludes from the answers of an API server.
@Suite struct PodBindTests {
    private func pod(_ uid: String = "u", node: String? = nil, isBeingDeleted: Bool = false) -> Pod {
        var metadata: JSONValue = ["name": "p", "namespace": "a", "uid": .string(uid)]
        if isBeingDeleted { metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z" }
        var pod = Pod(json: ["metadata": metadata])
        if let node { pod.nodeName = node }
        return pod
    }

    @Test("a refusal takes the binding back at once, unless an earlier request may have bound the pod")
    func refusals() {
        var first = PodBind(uid: "u", node: "n", wasTried: false)
        #expect(first.heard(.refused) == .end(.refused))
        var again = PodBind(uid: "u", node: "n", wasTried: true)
        #expect(again.heard(.refused) == .ask && again.found(pod(node: "n")) == .end(.bound))
        // A request without an answer may come late.
        #expect(again.found(pod()) == .end(.unknown))
        var lost = PodBind(uid: "u", node: "n", wasTried: false)
        #expect(lost.heard(.none) == .ask && lost.found(pod()) == .retry)
        #expect(lost.heard(.refused) == .ask && lost.found(pod(node: "n")) == .end(.bound))
        var unasked = PodBind(uid: "u", node: "n", wasTried: false)
        #expect(unasked.heard(.clash) == .ask && unasked.unasked() == .retry && unasked.heard(.refused) == .ask)
    }

    @Test("a pod that is gone, is being deleted or has another node is not bound by what was tried")
    func others() {
        for wasTried in [false, true] {
            var bind = PodBind(uid: "u", node: "n", wasTried: wasTried)
            #expect(bind.heard(.clash) == .ask)
            #expect(bind.found(nil) == .end(.gone) && bind.found(pod("other", node: "n")) == .end(.gone))
            #expect(bind.found(pod(isBeingDeleted: true)) == .end(.refused))
            #expect(bind.found(pod(node: "m")) == .end(.refused) && bind.found(pod(node: "n")) == .end(.bound))
            #expect(bind.found(pod()) == (wasTried ? .retry : .end(.refused)))
            #expect(bind.heard(.bound) == .end(.bound))
        }
    }

    @Test("a binding makes room for a pod's only where no pod that has a node, or may get one, is left without it")
    func namesakes() {
        func binding(of uid: String?, chosen node: String? = nil) -> PodCPUBinding {
            var binding = PodCPUBinding(name: "p-pcb", namespace: "a")
            binding.podName = "q"
            if let uid { binding.metadata.ownerReferences = [OwnerReference(to: pod(uid))] }
            binding.metadata.annotations[PodCPUBinding.nodeAnnotation] = node
            return binding
        }
        #expect(Namesake(binding(of: nil), for: "u", pod: pod()) == .others)
        #expect(Namesake(binding(of: "v"), for: "u", pod: pod("v")) == .others)
        #expect(Namesake(binding(of: "v"), for: "u", pod: pod("w", node: "n")) == .mayGo)
        #expect(Namesake(binding(of: "v"), for: "u", pod: nil) == .mayGo)
        #expect(Namesake(binding(of: "v", chosen: "m"), for: "u", pod: nil) == .mayGo)
        #expect(Namesake(binding(of: "u"), for: "u", pod: pod()) == .mayGo)
        #expect(Namesake(binding(of: "u", chosen: "m"), for: "u", pod: pod()) == .undecided(node: "m"))
        #expect(Namesake(binding(of: "u", chosen: "m"), for: "u", pod: pod(node: "n")) == .inUse(node: "n"))
        #expect(Namesake(binding(of: "u"), for: "u", pod: nil) == .orphan)
        let own = ObjectKey(namespace: "a", name: "p")
        #expect(Namesake.pod(of: binding(of: "u"), for: "u", own) == own)
        #expect(Namesake.pod(of: binding(of: "v"), for: "u", own) == ObjectKey(namespace: "a", name: "q"))
    }
}
