import Synchronization

extension ResourceClient {
    /// Watches the objects that are selected, from a version on, and gives each event to `body`, in order.
    ///
    /// Returns when the server ends the watch, which it does after some minutes. An event that is an error of the server is
    /// given like any other. ``Informer`` is what keeps a copy.
    ///
    /// - Parameters:
    ///   - version: the ``ObjectList/resourceVersion`` of a list, or of the last event seen.
    ///   - seconds: how long the server is to keep the watch; nil for as long as it likes.
    ///   - silence: how long the watch may say nothing; nil for any time.
    /// - Throws: ``KubernetesError``, and what `body` throws, which ends the watch.
    public func watch(
        _ selection: Selection = .init(), from version: String, seconds: Int? = nil, silence: Duration? = nil,
        _ body: @escaping @Sendable (WatchEvent<Object>) async throws -> Void
    ) async throws {
        try await watch(selection, from: version, seconds: seconds, silence: silence, onOpen: {}, body)
    }

    /// The same; `onOpen` is called once the server has agreed to the watch.
    func watch(
        _ selection: Selection, from version: String, seconds: Int?, silence: Duration?, onOpen: () -> Void,
        _ body: @escaping @Sendable (WatchEvent<Object>) async throws -> Void
    ) async throws {
        let request = APIRequest(
            .get, try listPath(selection),
            query: selection.query + [
                ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
                ("timeoutSeconds", seconds.map { String($0) }),
            ])
        let (client, system) = (client, client.system)
        let answer = try await withDeadline(
            client.limits.time, system,
            throwing: { () async throws(KubernetesError) in
                try await client.opened(request, within: client.limits.time)
            })
        onOpen()
        let heard = LastHeard(system.now())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Self.read(answer.body, limit: client.limits.event) { event in
                    heard.time.withLock { $0 = system.now() }
                    if let event { try await body(event) }
                }
            }
            if let silence {
                group.addTask {
                    while true {
                        let left = heard.time.withLock { $0 } + silence - system.now()
                        guard left > .zero else { throw KubernetesError.timedOut }
                        try await system.sleep(left)
                    }
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Gives each event of a body to `take`, and nil for each piece that has come.
    private static func read<Body: AsyncSequence & Sendable>(
        _ body: Body, limit: Int, _ take: (WatchEvent<Object>?) async throws -> Void
    ) async throws where Body.Element == [UInt8] {
        var lines = LineSplitter(limit: limit)
        var pieces = body.makeAsyncIterator()
        while true {
            let piece: [UInt8]?
            do { piece = try await pieces.next() } catch { throw ClusterClient.interruption(error) }
            guard let piece else { return }
            try await take(nil)
            lines.add(piece)
            while let line = try lines.next() { try await take(try WatchEvent(line)) }
        }
    }
}

/// When a watch has last said something.
private final class LastHeard: Sendable {
    let time: Mutex<Duration>

    init(_ time: Duration) { self.time = Mutex(time) }
}
