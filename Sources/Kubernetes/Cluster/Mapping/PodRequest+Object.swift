package import Bindings
package import KubernetesClient

extension PodRequest {
    /// What a pod asks of the extender, its CPUs added up as Kubernetes does.
    package init(_ pod: Pod) {
        // As the API server does: what only has a limit requests that.
        let request = pod.requests["cpu"]?.milli ?? pod.total { ($0.requests["cpu"] ?? $0.limits["cpu"])?.milli ?? 0 }
        let limit = pod.limits["cpu"]?.milli ?? pod.total { $0.limits["cpu"]?.milli ?? 0 }
        let overhead = pod.overhead["cpu"]?.milli ?? 0
        self.init(
            pod: ObjectKey(pod.key), uid: pod.metadata.uid, familyLabel: pod.metadata.labels[WorkloadFamily.label],
            request: sum(request, overhead), limit: limit == 0 ? 0 : sum(limit, overhead))
    }
}

extension Pod {
    /// What all containers need that run at the same time: the containers of the pod and its sidecars, or an init container
    /// and the sidecars before it.
    fileprivate func total(_ amount: (Container) -> Int) -> Int {
        var total = containers.reduce(0) { sum($0, amount($1)) }
        var (sidecars, most) = (0, 0)
        for container in initContainers {
            let own = amount(container)
            if container.isSidecar {
                total = sum(total, own)
                sidecars = sum(sidecars, own)
                most = max(most, sidecars)
            } else {
                most = max(most, sum(sidecars, own))
            }
        }
        return max(total, most)
    }
}

/// The sum, or the largest number where it does not fit; a negative amount counts as nothing.
private func sum(_ one: Int, _ other: Int) -> Int {
    let (sum, overflows) = max(one, 0).addingReportingOverflow(max(other, 0))
    return overflows ? .max : sum
}
