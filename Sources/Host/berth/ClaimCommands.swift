import ArgumentParser
import Glibc
import HostClient
import Terminal

/// `berth plan`.
struct Plan: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a request would get, or why not, without changing anything.",
        discussion: "Takes the options of berth run. The exit status is 1 if the request would be refused.")
    @OptionGroup(title: "What a program would have") var claim: ClaimOptions
    @Option(help: "Whose claim it would be.") var name = "plan"
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions

    func run() async throws {
        let request = try claim.request(process: .caller)
        let plan = try await ask { client throws(BerthError) in try await client.plan(Holder(.run, name), request) }
        try Output.write(Run.sentence(plan.claim) + "\n")
        for loss in plan.effects.preempted {
            try Output.write(Printable.text("\(loss.holder) would lose the CPUs \(loss.cpus)") + "\n")
        }
        for warning in plan.effects.warnings { try Output.write(Printable.text(warning) + "\n") }
    }
}

/// `berth adopt`.
struct Adopt: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a program that runs already CPUs of its own.",
        discussion: """
            The process is moved onto the CPUs with all its threads; children that it starts later follow. The claim ends with \
            the last of them. Only the user who runs the process, and administrators, may do this.
            """)
    @Argument(help: "The process id.") var pid: Int
    @OptionGroup(title: "What the program has") var claim: ClaimOptions
    @Option(help: "The claim's name; pid-PID unless given.")
    var name: String?
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions

    func validate() throws {
        guard pid > 0 else { throw ValidationError("PID: expected the id of a process") }
    }

    func run() async throws {
        let request = try claim.request(process: .id(pid))
        let holder = Holder(.run, name ?? "pid-\(pid)")
        let changed = try await ask { client throws(BerthError) in try await client.create(holder, request) }
        try Output.write(Run.sentence(changed.claim) + "\n")
    }
}

/// `berth resize`.
struct Resize: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "Change what a running program has.",
        discussion: """
            Takes the options of berth run. The program runs on: its threads move to the new CPUs once the kernel follows. CPUs \
            that are asked for again stay; what is left out, such as --node or --hugepages, is given up. Where the kernel \
            refuses, the program keeps what it had.
            """)
    @Argument(help: "The claim: run:NAME, or the name of a run.") var holder: HolderArgument
    @OptionGroup(title: "What the program has from now on") var claim: ClaimOptions
    @OptionGroup(title: "The daemon") var api: APIOptions

    func run() async throws {
        let request = try claim.request(process: nil)
        let present = try await ask { client throws(BerthError) in try await client.claim(holder.holder) }
        guard let present else {
            throw Failure("\(Printable.text("\(holder.holder)")) has no claim", status: Failure.noClaim)
        }
        let changed = try await ask { client throws(BerthError) in
            try await client.put(holder.holder, request, ifVersion: present.version)
        }
        try Output.write(Run.sentence(changed.claim) + "\n")
    }
}

/// `berth claims`.
struct Claims: APICommand {
    static let configuration = CommandConfiguration(
        abstract: "List all claims: of services, runs, pods and functions.")
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions

    func run() async throws {
        let claims = try await ask { client throws(BerthError) in try await client.claims() }
        let rows = claims.map { claim in
            [
                claim.holder, claim.cpus.description, claim.enforcement?.isolation ?? "recorded",
                claim.enforcement?.phase ?? "-", claim.lease.text,
            ].map(Printable.text)
        }
        let titles = ["HOLDER", "CPUS", "ISOLATION", "PHASE", "LIVES"]
        let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
        for row in [titles] + rows {
            var line = ""
            for (text, width) in zip(row, widths) {
                line += text + String(repeating: " ", count: width - text.count + 2)
            }
            while line.hasSuffix(" ") { line.removeLast() }
            try Output.write(line + "\n")
        }
    }
}

/// `berth show`.
struct Show: APICommand {
    static let configuration = CommandConfiguration(abstract: "Show one claim.")
    @Argument(help: "The claim: run:NAME, service:NAME, or the name of a run.") var holder: HolderArgument
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions

    func run() async throws {
        let claim = try await ask { client throws(BerthError) in try await client.claim(holder.holder) }
        guard let claim else {
            throw Failure("\(Printable.text("\(holder.holder)")) has no claim", status: Failure.noClaim)
        }
        var lines: [(String, String)] = [
            ("holder", claim.holder), ("cpus", claim.cpus.description), ("exclusive", claim.exclusive.description),
            ("pool", claim.pool),
        ]
        if !claim.memoryNodes.isEmpty {
            lines.append(("memory nodes", claim.memoryNodes.map(String.init).joined(separator: ",")))
        }
        for pages in claim.hugePages {
            lines.append(("huge pages", pages.text))
        }
        lines.append(("lives", claim.lease.text))
        if let enforcement = claim.enforcement {
            lines.append(("enforcement", "\(enforcement.phase), isolation \(enforcement.isolation)"))
            if let failure = enforcement.failure { lines.append(("drift", failure)) }
        }
        for (name, text) in lines {
            let padding = String(repeating: " ", count: max(14 - name.count, 1))
            try Output.write("\(name)\(padding)\(Printable.text(text))\n")
        }
    }
}

/// `berth renew`.
struct Renew: APICommand {
    static let configuration = CommandConfiguration(abstract: "Make a claim live for so long from now on.")
    @Argument(help: "The claim: run:NAME, service:NAME, or the name of a run.") var holder: HolderArgument
    @Option(name: .customLong("for"), help: ArgumentHelp("For how long.", valueName: "seconds")) var seconds: Int
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions

    func validate() throws {
        guard seconds > 0 else { throw ValidationError("--for: expected 1 or more seconds") }
    }

    func run() async throws {
        _ = try await ask { client throws(BerthError) in try await client.renew(holder.holder, .seconds(seconds)) }
    }
}
