import ArgumentParser
import HostClient
import Machine
import Rendering
import Terminal
import WireJSON

/// `berth plan`.
struct Plan: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a request would get, or why not, without changing anything.",
        discussion: """
            Takes the options of berth run. The exit status is 1 if the request would be refused: the reason is on standard \
            error, with who has what is missing, and what would fit. If the daemon enforces nothing, the plan is what would \
            be granted, with a note; --min-isolation is refused there. With --json the document is the claim as it would be, \
            or the problem, as the HTTP API has them.
            """)
    @OptionGroup(title: "What a program would have") var claim: ClaimOptions
    @Option(help: "Whose claim it would be.", transform: RunName.read) var name = "plan"
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func run() async throws {
        let request = try claim.request(process: .caller)
        let (planned, obstacle) = try await ask(request) { client throws(BerthError) in
            try await plan(request, client)
        }
        let note = obstacle.map { "note: \(Printable.text($0)); berth run is refused" }
        if output.json, let note { Output.note(note) }
        try output.show(json: planned.json) { _ in
            ([ClaimSentence.text(planned.claim)] + EffectLines.lines(planned.effects, isPlanned: true)
                + (note.map { ["  \($0)"] } ?? [])).map { StyledText($0) }
        }
    }

    /// What would be granted, and why it would not be enforced, where nothing is.
    private func plan(
        _ request: HostClient.ClaimRequest, _ client: BerthClient
    ) async throws(BerthError) -> (ChangedClaim, obstacle: String?) {
        let holder = Holder(.run, name)
        do throws(BerthError) { return (try await client.plan(holder, request), nil) } catch {
            guard error.problem?.code == "no_enforcement", request.enforcement?.minimum == Isolation.none else {
                throw error
            }
            var recorded = request
            recorded.enforcement = nil
            return (try await client.plan(holder, recorded), error.problem?.detail)
        }
    }
}

/// `berth adopt`.
struct Adopt: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a program that runs already CPUs of its own.",
        discussion: """
            The process is moved onto the CPUs with all its threads; children that it starts later follow. The claim ends with \
            the last of them. Only the user who runs the process, and administrators, may do this. With --json the document \
            is the claim, as the HTTP API has it.
            """)
    @Argument(help: "The process id.") var pid: Int
    @OptionGroup(title: "What the program has") var claim: ClaimOptions
    @Option(help: "The claim's name; pid-PID unless given.", transform: RunName.read)
    var name: String?
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func validate() throws {
        guard pid > 0 else { throw ValidationError("PID: expected the id of a process") }
    }

    func run() async throws {
        let request = try claim.request(process: .id(pid))
        let holder = Holder(.run, name ?? "pid-\(pid)")
        let before = try await previous()
        let changed = try await create(holder, request)
        let note = before.map {
            "  it left the claim \(Printable.name("\($0)")), which ends with the last process that is left in it"
        }
        if output.json, let note { Output.note("note:\(note.dropFirst())") }
        try output.show(json: changed.json) { _ in
            ([ClaimSentence.text(changed.claim)] + EffectLines.lines(changed.effects) + (note.map { [$0] } ?? []))
                .map { StyledText($0) }
        }
    }

    /// Whose claim the process is in now.
    private func previous() async throws -> Holder? {
        let text = String(decoding: DirectoryFiles(root: "/proc").read("\(pid)/cgroup") ?? [], as: UTF8.self)
        let paths = text.split(separator: "\n").compactMap { $0.split(separator: ":", maxSplits: 2).last }
        let claims = try await ask { client throws(BerthError) in try await client.claims() }
        return claims.first { claim in
            guard case .cgroup(let path) = claim.lease else { return false }
            return paths.contains { $0 == path || $0.hasPrefix(path + "/") }
        }.flatMap { Holder($0.holder) }
    }
}

/// `berth resize`.
struct Resize: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Change what a running program has.",
        discussion: """
            Takes the options of berth run. The program runs on: its threads move to the new CPUs once the kernel follows. CPUs \
            that are asked for again stay; what is left out, such as --node or --hugepages, is given up. Where the kernel \
            refuses, the program keeps what it had. With --json the document is the claim, as the HTTP API has it.
            """)
    @Argument(help: ClaimName.help, completion: Completion.claims) var claim: ClaimName
    @OptionGroup(title: "What the program has from now on") var wanted: ClaimOptions
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func run() async throws {
        let request = try wanted.request(process: nil)
        let (holder, present, _) = try await find(claim)
        guard present.enforcement != nil else { throw Self.recorded(holder) }
        let changed = try await ask(request) { client throws(BerthError) in
            try await client.put(holder, request, ifVersion: present.version)
        }
        try output.show(json: changed.json) { _ in
            ([ClaimSentence.text(changed.claim)] + EffectLines.lines(changed.effects)).map { StyledText($0) }
        }
    }

    /// The refusal to change a claim that the kernel does not follow.
    private static func recorded(_ holder: Holder) -> Failure {
        let what =
            holder.kind == .service
            ? "is a service's claim, which is only recorded: berth allocate changes its CPUs, berth hugepages its huge pages"
            : "is only recorded, and changes as it was made: by PATCH of the HTTP API; or berth release ends it, and berth run or "
                + "berth adopt make one that berth resize changes"
        return Failure("\(Printable.name("\(holder)")) \(what)", status: Failure.refused)
    }
}

/// `berth claims`.
struct Claims: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "List all claims: of services, runs, pods and functions.",
        discussion: "With --json the document is {\"claims\": [claim, …]}, each as the HTTP API has it.")
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func run() async throws {
        guard !output.json else {
            let claims = try await ask { client throws(BerthError) in try await client.claimDocuments() }
            return try Output.write(json: JSONWriter.object { $0.member("claims", .array(claims)) })
        }
        let claims = try await ask { client throws(BerthError) in try await client.claims() }
        var table = Table(["HOLDER", "CPUS", "ISOLATION", "PHASE", "LIVES"].map { ($0, .left) })
        for claim in claims {
            table.add([
                Tables.name(claim.holder, output.style),
                StyledText(claim.cpus.isEmpty ? "-" : Printable.text(claim.cpus.description)),
                StyledText(Printable.text(claim.enforcement?.isolation ?? "recorded")),
                StyledText(Printable.text(claim.enforcement?.phase ?? "-")),
                StyledText(Printable.text(claim.lease.text)),
            ])
        }
        try Output.write(table.lines().rendered(output.style))
    }
}

/// `berth show`.
struct Show: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Show one claim.",
        discussion: "With --json the document is the claim, as the HTTP API has it.")
    @Argument(help: ClaimName.help, completion: Completion.claims) var claim: ClaimName
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func run() async throws {
        let (_, claim, json) = try await find(claim)
        if output.json { return try Output.write(json: json) }
        var table = Table([("", .left), ("", .left)])
        func add(_ name: String, _ text: String) { table.add([StyledText(name, .heading), StyledText(text)]) }
        add("holder", Printable.name(claim.holder))
        add("cpus", claim.cpus.isEmpty ? "-" : Printable.text(claim.cpus.description))
        add("exclusive", claim.exclusive.isEmpty ? "-" : Printable.text(claim.exclusive.description))
        let shared = CPUSet(claim.cpus).subtracting(CPUSet(claim.exclusive))
        if !shared.isEmpty { add("shared", shared.list) }
        add("pool", Printable.name(claim.pool))
        if !claim.memoryNodes.isEmpty {
            add("memory nodes", claim.memoryNodes.map(String.init).joined(separator: ","))
        }
        for pages in claim.hugePages { add("huge pages", pages.text) }
        add("lives", Printable.text(claim.lease.text))
        if let owner = claim.owner { add("owner", "user \(owner.uid)") }
        if let enforcement = claim.enforcement {
            add("enforcement", Printable.text("\(enforcement.phase), isolation \(enforcement.isolation)"))
            for container in enforcement.pod?.containers ?? [] { add("container", container.text) }
            if let failure = enforcement.failure { add("drift", Printable.text(failure)) }
        }
        try Output.write(table.lines(hasHeading: false).rendered(output.style))
    }
}

/// `berth renew`.
struct Renew: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Set how long a claim lives: for so many seconds from now, or for ever.",
        discussion: "With --json the document is the claim, as the HTTP API has it.")
    @Argument(help: ClaimName.help, completion: Completion.claims) var claim: ClaimName
    @Option(name: .customLong("for"), help: ArgumentHelp("For how long.", valueName: "seconds")) var seconds: Int?
    @Flag(help: "Until it is released.") var forever = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    var wantsJSON: Bool { output.json }

    func validate() throws {
        guard (seconds != nil) != forever else { throw ValidationError("expected one of --for and --forever") }
        if let seconds, seconds < 1 { throw ValidationError("--for: expected 1 or more seconds") }
    }

    func run() async throws {
        let holder = try await holder(claim)
        let lease = seconds.map { LeaseRequest.seconds($0) } ?? .forever
        let renewed = try await ask { client throws(BerthError) in try await client.renew(holder, lease) }
        try output.show(json: renewed.json) { _ in
            [StyledText(Printable.text("\(renewed.claim.holder) lives \(renewed.claim.lease.text)"))]
        }
    }
}
