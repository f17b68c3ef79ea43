import FoundationEssentials
import WireJSON

extension StandInCluster {
    /// What a list, a watch or a deletion of many selects.
    ///
    /// - Throws: ``StatusError`` where a selector is none.
    func selection(
        _ type: ResourceType, _ asked: ResourceRequest, _ target: RequestTarget
    ) throws(StatusError) -> Selection {
        Selection(
            namespace: asked.namespace, labels: try LabelSelector(query: target.query["labelSelector"] ?? ""),
            fields: try FieldSelector(query: target.query["fieldSelector"] ?? "", for: type))
    }

    /// The version that a query names; nil where it names none.
    private func version(_ target: RequestTarget) throws(StatusError) -> UInt64? {
        guard let text = target.query["resourceVersion"], !text.isEmpty else { return nil }
        guard let version = UInt64(text) else {
            let why =
                "resourceVersion: Invalid value: \(FieldError.quote(text)): strconv.ParseUint: parsing "
                + "\(FieldError.quote(text)): invalid syntax"
            let isWatch = ["true", "1"].contains(target.query["watch"] ?? "")
            throw isWatch ? StatusError(500, "", why) : .badRequest("invalid resource version: \(why)")
        }
        return version
    }

    // MARK: - Lists

    func list(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let selection = try selection(type, asked, target)
        let wanted = try version(target)
        let match = target.query["resourceVersionMatch"] ?? ""
        guard ["", "Exact", "NotOlderThan"].contains(match) else {
            throw .invalidOptions(
                "ListOptions",
                [
                    .notSupported(
                        "resourceVersionMatch", .string(match), ["Exact", "NotOlderThan", ""])
                ])
        }
        if !match.isEmpty, wanted == nil {
            throw .invalidOptions(
                "ListOptions",
                [
                    .forbidden(
                        "resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
                ])
        }
        if let wanted, wanted > version { throw .tooLargeVersion(wanted, current: version) }
        let limit = target.query["limit"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil }
        var at: UInt64?
        var start: ObjectKey?
        if let text = target.query["continue"], !text.isEmpty {
            guard let token = ContinueToken(text) else {
                throw .badRequest("invalid continue token: continue key is not valid: illegal base64 data")
            }
            guard wanted == nil || wanted == 0 else {
                throw .badRequest("specifying resource version is not allowed when using continue")
            }
            (at, start) = (token.version == 0 ? version : token.version, token.key)
        } else if match == "Exact" {
            at = wanted
        } else if wanted == 0, request.staleness > 0 {
            let oldest = collections[type.storage]?.horizon ?? horizon
            at = max(oldest, version > request.staleness ? version - request.staleness : 1)
        }
        let collection = collections[type.storage] ?? Collection(horizon: horizon)
        guard
            let page = collection.page(
                at: at, namespace: selection.namespace, after: start, limit: limit,
                where: { selection.hasSelectors ? selection.matches($0.value) : true })
        else { throw expiredPage(start) }
        let shownVersion = at ?? version
        var metadata = JSONValue.map(["resourceVersion": .string(String(shownVersion))])
        if let last = page.last {
            metadata.set("continue", .string(ContinueToken(version: shownVersion, key: last).text))
            if !selection.hasSelectors { metadata.set("remainingItemCount", .integer(page.remaining)) }
        }
        switch OutputForm(request) {
        case .object: return StandInAnswer(200, .list(.init(type: type, metadata: metadata, objects: page.objects)))
        case .table(let form):
            var table = form.table(of: page.objects, type, version: shownVersion, now: now)
            if type.isCustom, page.last == nil { metadata.set("continue", .string("")) }
            table.set("metadata", metadata)
            return StandInAnswer(200, table)
        case .metadata:
            return StandInAnswer(
                200,
                .map([
                    "kind": .string("PartialObjectMetadataList"), "apiVersion": .string("meta.k8s.io/v1"),
                    "metadata": metadata, "items": .array(page.objects.map { OutputForm.partial($0, type) }),
                ]))
        }
    }

    private func expiredPage(_ start: ObjectKey?) -> StatusError {
        guard let start else { return .expired("The resourceVersion for the provided list is too old.") }
        var error = StatusError.expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list "
                + "without the continue parameter, or use the continue token in this response to retrieve the remainder "
                + "of the results. Continuing with the provided token results in an inconsistent list - objects that were "
                + "created, modified, or deleted between the time the first chunk was returned and now may show up in the "
                + "list.")
        error.details = nil
        error.continueToken = ContinueToken(version: 0, key: start).text
        return error
    }

    // MARK: - Watches

    func watch(
        _ type: ResourceType, _ asked: ResourceRequest, _ request: StandInRequest, _ target: RequestTarget,
        now: StandInTime
    ) throws(StatusError) -> StandInAnswer {
        let selection = try selection(type, asked, target)
        let wanted = try version(target)
        func flag(_ name: String) -> Bool? { target.query[name].map { ["true", "1"].contains($0) } }
        let match = target.query["resourceVersionMatch"] ?? ""
        let sendsInitial = flag("sendInitialEvents")
        if sendsInitial == nil, !match.isEmpty {
            throw .invalidOptions(
                "ListOptions",
                [
                    .forbidden(
                        "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
                ])
        }
        if sendsInitial != nil, match != "NotOlderThan" {
            throw .invalidOptions(
                "ListOptions",
                [
                    .forbidden(
                        "resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                    )
                ])
        }
        let timeout = target.query["timeoutSeconds"].flatMap { Double($0) } ?? settings.watchTimeout
        var session = WatchSession(
            type: type, selection: selection, form: OutputForm(request), cursor: version,
            allowsBookmarks: flag("allowWatchBookmarks") ?? false,
            ends: now.advanced(seconds: max(timeout, 0)), nextBookmark: now.advanced(seconds: settings.bookmarkInterval)
        )
        if sendsInitial == true || (sendsInitial == nil && (wanted == nil || wanted == 0)) {
            let page = collections[type.storage]?.page(
                at: nil, namespace: selection.namespace, after: nil, limit: nil
            ) { selection.hasSelectors ? selection.matches($0.value) : true }
            session.begin(with: page?.objects ?? [], endsWithBookmark: sendsInitial == true)
        } else if let wanted, wanted > 0 {
            session.cursor = wanted
            let oldest = collections[type.storage]?.horizon ?? horizon
            if wanted < oldest {
                session.fail(.expired("too old resource version: \(wanted) (\(oldest))"))
            }
        }
        return StandInAnswer(200, .watch(session))
    }
}

/// Where a list in pages goes on.
struct ContinueToken: Equatable, Sendable {
    /// The version that all pages show; 0 for whatever is there.
    let version: UInt64
    let key: ObjectKey

    init(version: UInt64, key: ObjectKey) {
        self.version = version
        self.key = key
    }

    init?(_ text: String) {
        guard let data = Data(base64Encoded: text), let value = try? JSONValue(Array(data)).canonical,
            let version = value.member("rv")?.integer, version >= 0, let start = value.text("start")
        else { return nil }
        let parts = start.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        self.version = UInt64(version)
        key = ObjectKey(namespace: String(parts[0]), name: String(parts[1]))
    }

    var text: String {
        let value = JSONValue.map([
            "v": .string("meta.k8s.io/v1"), "rv": .number(String(version)),
            "start": .string("\(key.namespace)\n\(key.name)"),
        ])
        return Data(value.encoded).base64EncodedString()
    }
}
