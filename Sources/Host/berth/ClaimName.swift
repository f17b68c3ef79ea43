import ArgumentParser
import HostClient
import Terminal

/// A claim as people name it: `KIND:NAME`, or the bare name where only one claim has it, of whatever kind.
struct ClaimName: ExpressibleByArgument {
    /// As it was given.
    let text: String

    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        text = argument
    }

    /// The holder, where the text names its kind.
    var holder: Holder? { Holder(text).flatMap { $0.name.isEmpty ? nil : $0 } }

    /// Whose claims it may mean: the holder that it names, or all that have a claim under the bare name.
    func candidates(_ client: BerthClient) async throws(BerthError) -> [Holder] {
        if let holder { return [holder] }
        var found: [Holder] = []
        for kind in Holder.Kind.allCases {
            let holder = Holder(kind, text)
            if try await client.claimDocument(holder) != nil { found.append(holder) }
        }
        return found
    }

    /// The one of `candidates`.
    ///
    /// - Throws: ``Failure`` where there is none, or more than one.
    func one(of candidates: [Holder]) throws(Failure) -> Holder {
        guard let first = candidates.first else { throw Self.noClaim(text) }
        guard candidates.count > 1 else { return first }
        let names = candidates.map { Printable.name($0.description) }
        let all = "\(names.dropLast().joined(separator: ", ")) and \(names.last ?? "")"
        throw Failure(
            "KIND:NAME is needed: \(all) \(candidates.count == 2 ? "both" : "all") exist", status: Failure.usage)
    }
}

extension ClaimName {
    static var help: ArgumentHelp { "The claim: KIND:NAME, or NAME if only one claim has that name." }

    /// That a holder, or anybody of a bare name, has no claim.
    static func noClaim(_ name: String) -> Failure {
        Failure("\(Printable.name(name)) has no claim", status: Failure.noClaim)
    }
}

extension APICommand {
    /// The holder that `name` means.
    func holder(_ name: ClaimName) async throws -> Holder {
        try name.one(of: try await ask { client throws(BerthError) in try await name.candidates(client) })
    }

    /// The claim that `name` means, decoded and as the daemon sends it.
    func find(_ name: ClaimName) async throws -> (holder: Holder, claim: Claim, json: [UInt8]) {
        let holder = try await holder(name)
        let found = try await ask { client throws(BerthError) in
            try await client.claimDocument(holder).map { json throws(BerthError) in (try Claim(json: json), json) }
        }
        guard let (claim, json) = found else { throw ClaimName.noClaim("\(holder)") }
        return (holder, claim, json)
    }
}

/// A run as people name it: by its name, or as `run:NAME`.
enum RunName {
    /// The run's own name.
    ///
    /// - Throws: `ValidationError` where the text is empty, or names a holder of another kind.
    @Sendable static func read(_ text: String) throws -> String {
        let holder = Holder(text) ?? Holder(.run, text)
        guard holder.kind == .run else {
            throw ValidationError("it names a \(holder.kind.rawValue); programs have claims of the kind run")
        }
        guard !holder.name.isEmpty else { throw ValidationError("expected a name, not empty text") }
        return holder.name
    }
}

/// A service as people name it: by its name, or as `service:NAME`.
enum ServiceName {
    /// The service's own name.
    ///
    /// - Throws: `ValidationError` where the text is empty, or names a holder of another kind.
    @Sendable static func read(_ text: String) throws -> String {
        let holder = Holder(text) ?? Holder(.service, text)
        guard holder.kind == .service else {
            let what =
                holder.kind == .run
                ? "which `berth run` starts and `berth resize` changes" : "which `berth resize` changes"
            throw ValidationError(
                "it names a \(holder.kind.rawValue), \(what); service:\(text) is the service of that name")
        }
        guard !holder.name.isEmpty else { throw ValidationError("expected a name, not empty text") }
        return holder.name
    }
}
