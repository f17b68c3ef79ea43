import EPAClient
import HostClient
import Machine
import Rendering

/// What the map needs of the API.
struct HostOverview {
    let claims: [Claim]
    let pools: [HostClient.Pool]
    let machine: MachineSummary

    /// Asks for it.
    init(_ client: BerthClient) async throws(BerthError) {
        claims = try await client.claims()
        pools = try await client.pools()
        machine = try await client.machine()
    }
}

extension Occupancy {
    /// What the API says.
    ///
    /// - Parameter memory: the reservations of huge pages, from the EPA socket.
    init(_ overview: HostOverview, _ verification: Verification?, memory: MemoryInfo) {
        let machine = overview.machine
        self.init(
            holders: overview.claims.map { Occupancy.Holder($0) },
            pools: overview.pools.map {
                Occupancy.Pool(name: $0.name, cpus: CPUSet($0.cpus), free: CPUSet($0.freeCPUs))
            },
            differences: (verification?.differences ?? []).map { Difference(text: $0.text, cpus: $0.cpus) },
            memory: memory,
            served: .cpus(
                isolated: CPUSet(machine.isolated), present: CPUSet(machine.online).union(CPUSet(machine.offline))))
    }
}

extension Occupancy.Holder {
    fileprivate init(_ claim: Claim) {
        let isService = claim.holder.hasPrefix("service:")
        let parts = claim.grants.flatMap { grant in
            let (cpus, exclusive) = (CPUSet(grant.cpus), CPUSet(grant.exclusive))
            guard !exclusive.isEmpty else { return [Occupancy.Part(.shared, cpus)] }
            let protection: Occupancy.Protection =
                grant.isExplicit || grant.isProtected ? .explicit : isService ? .automatic : .exclusive
            return [
                Occupancy.Part(protection, cpus), Occupancy.Part(.idle, exclusive.subtracting(cpus)),
            ]
        }
        self.init(
            name: claim.displayName, isOfIsolated: claim.pool == "isolated", parts: parts,
            pages: claim.hugePages.map { Occupancy.Pages(count: $0.count, sizeKB: $0.sizeKB, node: $0.node) })
    }
}

extension Claim {
    /// The holder as people know it: services by their bare name.
    var displayName: String {
        guard let known = Holder(holder), known.kind == .service, Holder(known.name) == nil else { return holder }
        return known.name
    }
}

extension CPUSet {
    /// The CPUs of an answer.
    init(_ list: CPUList) { self.init(list.numbers) }
}
