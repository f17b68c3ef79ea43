import HostClient
import KubernetesClient

/// `berthd`, through its socket.
package struct BerthHost: NodeHost {
    private let berth: BerthClient
    /// The purpose of CPUs that somebody has asked for over gRPC, by which their claims are known again after a restart.
    fileprivate static let pinningLabel = "CPUPinning"
    /// For questions whether it answers at all.
    private let probe: BerthClient

    /// The daemon at `socket`. Nothing is connected before the first question.
    package init(socket: String) {
        berth = BerthClient(socket: socket)
        probe = BerthClient(socket: socket, timeLimit: .seconds(2))
    }

    package func refusal() async throws(BerthError) -> String? { try await probe.daemon().refusal }

    package func machine() async throws(BerthError) -> NodeMachine {
        let machine = try await berth.machine()
        return NodeMachine(
            online: machine.online.numbers, cores: machine.coreCPUs.map(\.numbers),
            packages: machine.packages.map(\.cpus.numbers), nodes: machine.nodes.map { ($0.id, $0.cpus.numbers) },
            reserved: machine.housekeeping.numbers)
    }

    package func cpusOfOthers() async throws(BerthError) -> [Int] {
        var cpus: Set<Int> = []
        for claim in try await berth.claims() where Holder(claim.holder)?.kind != .pod {
            cpus.formUnion(claim.cpus.numbers)
            cpus.formUnion(claim.exclusive.numbers)
        }
        return cpus.sorted()
    }

    package func podsWithClaims() async throws(BerthError) -> [ObjectKey] {
        try await berth.claims(kind: .pod).compactMap { Self.pod($0.holder) }
    }

    package func claim(of pod: ObjectKey) async throws(BerthError) -> HeldClaim? {
        try await berth.claim(Self.holder(pod)).map { HeldClaim($0) }
    }

    package func put(_ wish: ClaimWish, for pod: ObjectKey) async throws(BerthError) -> HeldClaim {
        var cpus = CPURequest(.list(CPUList(wish.cpus)))
        cpus.level = CPURequest.Level(wish.level)
        if wish.isPinning { cpus.label = Self.pinningLabel }
        var enforcement = EnforcementRequest(minimum: .cpuset)
        enforcement.pod = PodReference(
            uid: wish.cgroupUID,
            containers: wish.containers.map { ContainerReference(name: $0.name, id: $0.id) })
        let request = ClaimRequest(cpus: cpus, memoryNodes: wish.memoryNodes, enforcement: enforcement)
        return HeldClaim(try await berth.put(Self.holder(pod), request).claim)
    }

    package func release(_ pod: ObjectKey) async throws(BerthError) {
        do throws(BerthError) { _ = try await berth.delete(Self.holder(pod)) } catch {
            guard error.problem?.code == "no_claim" else { throw error }
        }
    }

    package func newestEvent() async throws(BerthError) -> Int {
        var newest = 0
        for try await event in berth.events(last: 1, follows: false) {
            if case .decision(let decision) = event { newest = decision.sequence }
        }
        return newest
    }

    package func follow(after: Int, _ body: @Sendable (NodeHostEvent) -> Void) async throws(BerthError) {
        for try await event in berth.events(after: after) {
            switch event {
            case .decision(let decision):
                let holders = Set([decision.holder] + decision.removed + decision.claims.map(\.holder))
                let pods = Set(holders.compactMap { Self.pod($0) })
                body(.claims(number: decision.sequence, pods: pods, others: pods.count < holders.count))
            case .gap: body(.gap)
            case .machine: body(.machine)
            }
        }
    }

    private static func holder(_ pod: ObjectKey) -> Holder { Holder(.pod, pod.description) }

    /// The pod of a holder's name; nil for another holder.
    private static func pod(_ holder: String) -> ObjectKey? {
        guard let holder = Holder(holder), holder.kind == .pod else { return nil }
        let parts = holder.name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return ObjectKey(name: holder.name) }
        return ObjectKey(namespace: String(parts[0]), name: String(parts[1]))
    }
}

extension HeldClaim {
    fileprivate init(_ claim: Claim) {
        let levels = Set(claim.grants.map(\.level))
        self.init(
            cgroupUID: claim.enforcement?.pod?.uid, cpus: claim.cpus.description,
            exclusive: claim.exclusive.description,
            level: levels.count == 1
                ? levels.first.flatMap { CPURequest.Level(rawValue: $0) }.map { .init($0) } : nil,
            memoryNodes: claim.memoryNodes,
            containers: (claim.enforcement?.pod?.containers ?? []).map {
                Container(name: $0.reference.name, id: $0.reference.id, isConfined: $0.state == "confined")
            }, isPinning: claim.grants.contains { $0.label == BerthHost.pinningLabel },
            // One that is recorded alone changes nothing in the kernel.
            isActive: (claim.enforcement?.phase ?? "active") == "active", failure: claim.enforcement?.failure)
    }
}

extension CPURequest.Level {
    fileprivate init(_ level: PodCPUBinding.ExclusivenessLevel) {
        switch level {
        case .none: self = .none
        case .cpu: self = .cpu
        case .core: self = .core
        case .socket: self = .socket
        case .numa: self = .numa
        }
    }
}

extension PodCPUBinding.ExclusivenessLevel {
    fileprivate init(_ level: CPURequest.Level) {
        switch level {
        case .none: self = .none
        case .cpu: self = .cpu
        case .core: self = .core
        case .socket: self = .socket
        case .numa: self = .numa
        }
    }
}
