import TestSupport
import Testing

@testable import KubernetesClient

@Suite struct EventTests {
    private let time = Timestamp(microseconds: 1_700_000_000_000_000)

    private func note(_ name: String, _ reason: String, _ message: String = "m") -> EventCorrelator.Note {
        var pod = Pod(name: name, namespace: "n")
        pod.json[["metadata", "uid"]] = "u"
        return .init(object: ObjectReference(to: pod), severity: .warning, reason: reason, message: message)
    }

    @Test("the same reason for the same object is counted within the window, and told anew after it")
    func counting() throws {
        var correlator = EventCorrelator(component: "berth")
        guard case .create(let event) = correlator.observe(note("p", "Failed"), now: .zero, wallClock: time) else {
            Issue.record("not created")
            return
        }
        #expect(event.involvedObject.name == "p" && event.involvedObject.uid == "u" && event.metadata.namespace == "n")
        #expect(
            event.reason == "Failed" && event.severity == .warning && event.count == 1 && event.component == "berth")
        #expect(event.metadata.name.hasPrefix("p.") && event.firstTimestamp == time)
        let again = correlator.observe(note("p", "Failed", "new"), now: .seconds(599), wallClock: time)
        let members: JSONValue = ["count": 2, "lastTimestamp": "2023-11-14T22:13:20Z", "message": "new"]
        #expect(again == .patch(event.key, members))
        for (name, reason) in [("q", "Failed"), ("p", "Applied")] {
            guard case .create = correlator.observe(note(name, reason), now: .seconds(600), wallClock: time) else {
                Issue.record("\(name) \(reason) is not new")
                return
            }
        }
        guard case .create(let later) = correlator.observe(note("p", "Failed"), now: .seconds(2000), wallClock: time)
        else {
            Issue.record("not told anew")
            return
        }
        #expect(later.key != event.key)
    }

    @Test("an object of which there is too much to tell is told of for some time only, others still")
    func rates() {
        var correlator = EventCorrelator(component: "berth")
        var told = 0
        for second in 0..<300 {
            if correlator.observe(note("p", "R\(second)"), now: .seconds(second), wallClock: time) != .drop {
                told += 1
            }
        }
        #expect((30...40).contains(told))
        #expect(correlator.observe(note("q", "R"), now: .seconds(300), wallClock: time) != .drop)
    }

    @Test("what is remembered is bounded, and the newest is kept")
    func memory() {
        var settings = EventCorrelator.Settings()
        settings.capacity = 10
        var correlator = EventCorrelator(component: "berth", settings)
        for number in 0..<100 {
            _ = correlator.observe(note("p\(number)", "R"), now: .seconds(number), wallClock: time)
            guard case .patch = correlator.observe(note("p\(number)", "R"), now: .seconds(number), wallClock: time)
            else {
                Issue.record("p\(number) is forgotten")
                return
            }
        }
        guard case .create = correlator.observe(note("p0", "R"), now: .seconds(100), wallClock: time) else {
            Issue.record("p0 is remembered")
            return
        }
    }

    @Test("long names and messages become what a server takes; objects without a namespace are told of in default")
    func bounds() {
        var correlator = EventCorrelator(component: "berth")
        let object = ObjectReference(kind: Node.resourceKind, namespace: nil, name: String(repeating: "n", count: 300))
        let note = EventCorrelator.Note(
            object: object, severity: .normal, reason: "R", message: String(repeating: "é", count: 1000))
        guard case .create(let event) = correlator.observe(note, now: .zero, wallClock: time) else { return }
        #expect(event.metadata.namespace == "default" && event.metadata.name.utf8.count <= 253)
        #expect(event.message.utf8.count == 1024)
    }

    @Test(
        "events are sent one after the other; one that is gone is made anew, one that fails is lost, and to record never waits"
    )
    func recorder() async throws {
        let server = try await ScriptedServer { request, number in
            switch number {
            case 1: .init(404, "{}")
            case 3: .init(403, #"{"kind":"Status","reason":"Forbidden","message":"no"}"#)
            default: .init(request.body.contains("metadata") ? request.body : #"{"metadata":{}}"#)
            }
        }
        let address = try #require(ServerAddress("http://127.0.0.1:\(server.port)"))
        let lost = Gate()
        let recorder = EventRecorder(
            ClusterClient(ClientConfiguration(server: address)), component: "berth",
            onFailure: { if $0.reason == .forbidden { lost.open() } })
        recorder.record(note("p", "R"))
        recorder.record(note("p", "R"))
        recorder.record(.warning, Pod(name: "q", namespace: "n"), reason: "S", message: "m")
        recorder.record(note("p", "R"))
        recorder.stop()
        recorder.record(note("p", "R"))
        await recorder.run()
        #expect(lost.isOpen)
        let seen = server.requests.map {
            "\($0.method) \($0.path.split(separator: "/").dropFirst(2).prefix(3).joined(separator: "/"))"
        }
        #expect(
            seen == [
                "POST namespaces/n/events", "PATCH namespaces/n/events", "POST namespaces/n/events",
                "POST namespaces/n/events", "PATCH namespaces/n/events",
            ])
        let count = try JSONValue(Array((server.requests.last?.body ?? "").utf8))["count"]
        #expect(count == 2)
        await server.stop()
    }
}
