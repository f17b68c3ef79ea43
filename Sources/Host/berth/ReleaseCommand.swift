import ArgumentParser
import EPAClient
import HostClient
import Machine
import Rendering
import Terminal
import WireJSON

/// `berth release`.
struct Release: SocketCommand, AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Release a claim, or a service's CPUs.",
        discussion: """
            A run, pod or function releases all that it has; its programs run on without it. A service releases its CPUs, with \
            --hugepages its huge pages too. The exit status is 2 if there is no such claim; the EPA Orchestrator does not tell, \
            and knows services only. With --json the document of a service is the daemon's reply, with --hugepages \
            {"cores": reply, "hugepages": [reply, …]}; of others it is the claim as it was, as the HTTP API has it.
            """)
    @Argument(help: ClaimName.help, completion: Completion.holders) var claim: ClaimName
    @Option(help: "Release only what a service holds of this NUMA node.", completion: Completion.nodes) var node: Int?
    @Flag(help: "Release a service's reservations of huge pages too.") var hugepages = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let node, node < 0 { throw ValidationError("--node: expected 0 or more") }
        if let holder = claim.holder, let complaint = complaint(holder) { throw ValidationError(complaint) }
    }

    /// What is wrong with the options for a claim of `holder`.
    private func complaint(_ holder: Holder) -> String? {
        guard holder.kind != .service, node != nil || hugepages else { return nil }
        return "--node and --hugepages are for services: \(Printable.name("\(holder)")) releases all"
    }

    func run() async throws {
        let holder = try await holder()
        if let complaint = complaint(holder) { throw Failure(complaint, status: Failure.usage) }
        guard holder.kind == .service else { return try await release(holder) }
        try await releaseService(holder.name)
    }

    /// Whose claim is meant: a service's where there is no other, or no API to ask.
    private func holder() async throws -> Holder {
        if let holder = claim.holder { return holder }
        let found = try await daemon.fromAPI { client throws(BerthError) in try await claim.candidates(client) } ?? []
        // That a service is not known is told after the daemon's reply.
        return found.isEmpty ? Holder(.service, claim.text) : try claim.one(of: found)
    }

    // MARK: - Runs, pods, functions

    private func release(_ holder: Holder) async throws {
        let released: ChangedClaim
        do throws(BerthError) { released = try await daemon.api.delete(holder) } catch {
            throw Failure(error, socket: daemon.apiPath)
        }
        try output.show(json: released.json) { _ in
            let claim = released.claim
            let parts = (claim.cpus.isEmpty ? [] : ["CPUs \(claim.cpus)"]) + claim.hugePages.map(\.text)
            let what = parts.isEmpty ? "its claim" : parts.joined(separator: ", ")
            var lines = ["\(Printable.name("\(holder)")) gave back \(Printable.text(what))"]
            if claim.enforcement != nil { lines.append("  its programs run on, on any CPUs") }
            return (lines + EffectLines.warnings(released.effects)).map { StyledText($0) }
        }
    }

    // MARK: - Services

    private func releaseService(_ service: String) async throws {
        let before = try await Service(service, self)
        // With --json the reply says the same as for a service that holds nothing.
        if !before.isUnknown || output.json { try release(service, before) }
        if before.isUnknown { throw ClaimName.noClaim(service) }
    }

    /// What the service has before.
    private struct Service {
        /// The name under which the daemon lists it.
        let listed: String
        /// Its CPUs; nil where the daemon does not say: the EPA Orchestrator lists nothing where nothing is isolated.
        let cpus: CPUSet?
        /// Its huge pages by node and size.
        let pages: [(node: Int, sizeKB: Int, count: Int)]
        /// Whether the daemon says that it has no claim.
        let isUnknown: Bool

        init(_ service: String, _ command: Release) async throws {
            let before = try command.holdings()
            let listed = try await command.listedName(of: service)
            self.listed = listed
            func isOwn(_ name: String) -> Bool { name.utf8.elementsEqual(listed.utf8) }
            let own = before.allocations.filter { isOwn($0.service) }
            cpus =
                before.list.available > 0 || before.status != nil
                ? own.reduce(CPUSet()) { $0.union($1.cpus) } : nil
            pages = try command.ask(GetMemoryInfo()).reply.nodes.flatMap { node in
                node.reservations.filter { isOwn($0.service) }.map { (node.id, $0.sizeKB, $0.count) }
            }
            guard before.status != nil, own.isEmpty, pages.isEmpty else {
                isUnknown = false
                return
            }
            // CPUs that it shares are not listed.
            let claim = try await command.daemon.fromAPI { client throws(BerthError) in
                try await client.claim(Holder(.service, service))
            }
            if let claim { isUnknown = claim == nil } else { isUnknown = true }
        }
    }

    private func release(_ service: String, _ before: Service) throws {
        let json: [UInt8]
        var lines: [String]
        if let node {
            let answer = try ask(AllocateNodeCores.release(service: service, node: node))
            json = answer.json
            lines = output.json ? [] : [Sentences.released(answer.reply, try releasedOfNode(before))]
        } else {
            let answer = try ask(AllocateCores.release(service: service))
            json = answer.json
            lines = [Sentences.released(answer.reply, before.cpus)]
        }
        let pages = before.pages.filter { node == nil || $0.node == node }
        guard hugepages else {
            if !pages.isEmpty { lines.append(Sentences.stillReserved(service, pages)) }
            return try output.show(json: json) { _ in lines.map { StyledText($0) } }
        }
        var removals: [[UInt8]] = []
        for reservation in pages {
            let answer = try ask(
                AllocateHugePages.remove(service: service, node: reservation.node, sizeKB: reservation.sizeKB))
            removals.append(answer.json)
            lines.append(Sentences.released(answer.reply, pages: reservation.count))
        }
        let document = JSONWriter.object { writer in
            writer.name("cores")
            writer.value(JSONValue(scanned: json[...]))
            writer.name("hugepages")
            writer.array { for reply in removals { $0.value(JSONValue(scanned: reply[...])) } }
        }
        try output.show(json: document) { _ in lines.map { StyledText($0) } }
    }

    /// What the service holds no more after a release of a node; nil where that is not known.
    private func releasedOfNode(_ before: Service) throws -> CPUSet? {
        guard let cpus = before.cpus else { return nil }
        let after = try holdings().allocations.filter { $0.service.utf8.elementsEqual(before.listed.utf8) }
        return after.reduce(cpus) { $0.subtracting($1.cpus) }
    }
}
