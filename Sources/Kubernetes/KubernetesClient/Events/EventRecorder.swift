/// Tells people what happens to objects, as events of the cluster.
///
/// To record never waits: events are sent by ``run()``, one after the other, and those that are too many are lost.
public final class EventRecorder: Sendable {
    private let client: ClusterClient
    private let component: String
    private let settings: EventCorrelator.Settings
    private let onFailure: @Sendable (KubernetesError) -> Void
    private let notes: AsyncStream<EventCorrelator.Note>
    private let sink: AsyncStream<EventCorrelator.Note>.Continuation

    /// A recorder of what this program tells.
    ///
    /// - Parameter onFailure: is told why an event is lost.
    public init(
        _ client: ClusterClient, component: String, settings: EventCorrelator.Settings = .init(),
        onFailure: @escaping @Sendable (KubernetesError) -> Void = { _ in }
    ) {
        self.client = client
        self.component = component
        self.settings = settings
        self.onFailure = onFailure
        (notes, sink) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1000))
    }

    /// Tells what happened to an object.
    ///
    /// - Parameters:
    ///   - reason: one word in camel case.
    ///   - message: for people.
    public func record(
        _ severity: Event.Severity = .normal, _ object: some KubernetesResource, reason: String, message: String
    ) {
        record(.init(object: ObjectReference(to: object), severity: severity, reason: reason, message: message))
    }

    /// Tells what happened to an object.
    public func record(_ note: EventCorrelator.Note) { sink.yield(note) }

    /// Sends what is recorded until ``stop()`` and everything is sent, or the task is cancelled. To be called once.
    public func run() async {
        var correlator = EventCorrelator(component: component, settings)
        for await note in notes { await send(note, &correlator) }
    }

    /// Records no more.
    public func stop() { sink.finish() }

    private func send(_ note: EventCorrelator.Note, _ correlator: inout EventCorrelator) async {
        let events = client.resources(Event.self)
        // An event that is gone is made anew.
        for attempt in 0..<2 {
            let action = correlator.observe(note, now: client.system.now(), wallClock: client.system.wallClock())
            do {
                switch action {
                case .drop: return
                case .create(let event): _ = try await events.create(event)
                case .patch(let key, let members):
                    _ = try await events.patch(key.name, namespace: key.namespace, .merge(members))
                }
                return
            } catch {
                correlator.forget(note)
                guard attempt == 0, case .patch = action, error.reason == .notFound else {
                    if error != .cancelled { onFailure(error) }
                    return
                }
            }
        }
    }
}
