import Ledger

extension VerifiedClaim {
    /// A claim that the kernel is to follow, with the cgroups that its steps name; nil where it is not active.
    package init?(active claim: Claim) {
        guard let enforcement = claim.enforcement, enforcement.phase == .active else { return nil }
        var cgroup: String?
        var partitions: [Partition] = []
        for step in enforcement.steps {
            switch KernelStep(text: step.action) {
            case .cgroup(let made): cgroup = made.path
            case .grow(_, let place):
                switch place.kind {
                case .root: partitions.append(Partition(cgroup: place.slice, word: "root"))
                case .remote: partitions.append(Partition(cgroup: place.claims, word: "root"))
                case .apart: continue
                }
            case .isolate(let path, _): partitions.append(Partition(cgroup: path, word: "isolated"))
            default: continue
            }
        }
        self.init(claim, cgroup: cgroup, partitions: partitions)
        containers = enforcement.containers.compactMap(\.cgroup)
        // The pod's own cgroup, with its sandbox and what came since.
        guard let uid = enforcement.request.pod?.uid else { return }
        let pods = containers.compactMap { container -> String? in
            let parts = container.split(separator: "/").dropLast()
            guard let name = parts.last, PodTree.uid(of: String(name)) == uid else { return nil }
            return "/" + parts.joined(separator: "/")
        }
        containers = Set(pods).sorted() + containers
    }
}
