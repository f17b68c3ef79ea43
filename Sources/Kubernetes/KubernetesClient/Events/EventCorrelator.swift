/// Decides what becomes of events: the same reason for the same object is counted, not told anew, and an object of which there
/// is too much to tell is not told of for a while.
public struct EventCorrelator: Sendable {
    /// Something to tell.
    public struct Note: Equatable, Sendable {
        /// The object that it happened to.
        public var object: ObjectReference
        /// What kind of news it is.
        public var severity: Event.Severity
        /// What happened, in one word in camel case.
        public var reason: String
        /// What happened, for people; of more than 1,024 bytes the beginning is told.
        public var message: String

        /// Something to tell.
        public init(object: ObjectReference, severity: Event.Severity, reason: String, message: String) {
            self.object = object
            self.severity = severity
            self.reason = reason
            self.message = message
        }
    }

    /// What becomes of it.
    public enum Action: Equatable, Sendable {
        /// A new event.
        case create(Event)
        /// An event that there is gets these members.
        case patch(ObjectKey, JSONValue)
        /// Nothing.
        case drop
    }

    /// How events are put together.
    public struct Settings: Equatable, Sendable {
        /// For how long after it was last told the same reason for the same object is the same event.
        public var window = Duration.seconds(600)
        /// How many events of one object are told at once.
        public var burst = 25
        /// How many events of one object are told in a second afterwards, on the average.
        public var perSecond = 1.0 / 30
        /// How many reasons and objects are remembered.
        public var capacity = 4096

        /// The usual ones.
        public init() {}
    }

    private struct Subject: Hashable {
        let object: ObjectReference
        let severity: Event.Severity
        let reason: String
    }

    private struct Told {
        let event: ObjectKey
        var count: Int
        var last: Duration
    }

    private let component: String
    private let settings: Settings
    private var told: [Subject: Told] = [:]
    private var buckets: [ObjectReference: (bucket: TokenBucket, last: Duration)] = [:]
    private var number = 0

    /// A correlator of what this program tells.
    public init(component: String, _ settings: Settings = Settings()) {
        self.component = component
        self.settings = settings
    }

    /// What becomes of something to tell.
    public mutating func observe(_ note: Note, now: Duration, wallClock: Timestamp) -> Action {
        var bucket =
            buckets[note.object]?.bucket ?? TokenBucket(perSecond: settings.perSecond, burst: settings.burst)
        let isAllowed = bucket.take(now: now)
        buckets[note.object] = (bucket, now)
        forgetOldest()
        guard isAllowed else { return .drop }
        let message = Self.shortened(note.message, 1024)
        let subject = Subject(object: note.object, severity: note.severity, reason: note.reason)
        if var known = told[subject], now - known.last < settings.window {
            known.count += 1
            known.last = now
            told[subject] = known
            return .patch(
                known.event,
                [
                    "count": JSONValue(known.count), "lastTimestamp": .string(wallClock.seconds),
                    "message": .string(message),
                ])
        }
        let event = event(note, message, wallClock)
        told[subject] = Told(event: event.key, count: 1, last: now)
        return .create(event)
    }

    /// Forgets that something was told: the event of it is gone, or was never made.
    public mutating func forget(_ note: Note) {
        told[Subject(object: note.object, severity: note.severity, reason: note.reason)] = nil
    }

    private mutating func event(_ note: Note, _ message: String, _ wallClock: Timestamp) -> Event {
        number += 1
        let unique = String(UInt64(bitPattern: Int64(wallClock.microseconds)) &+ UInt64(number), radix: 16)
        let name = "\(Self.shortened(note.object.name, 220)).\(unique)"
        // Events of objects without a namespace have to live somewhere.
        var event = Event(name: name, namespace: note.object.namespace ?? "default")
        event.involvedObject = note.object
        event.severity = note.severity
        event.reason = note.reason
        event.message = message
        event.component = component
        event.count = 1
        event.firstTimestamp = wallClock
        event.lastTimestamp = wallClock
        return event
    }

    /// The older half, so that it is seldom done.
    private mutating func forgetOldest() {
        if told.count > settings.capacity {
            let keep = told.sorted { $0.value.last > $1.value.last }.prefix(settings.capacity / 2)
            told = Dictionary(uniqueKeysWithValues: keep.map { ($0.key, $0.value) })
        }
        if buckets.count > settings.capacity {
            let keep = buckets.sorted { $0.value.last > $1.value.last }.prefix(settings.capacity / 2)
            buckets = Dictionary(uniqueKeysWithValues: keep.map { ($0.key, $0.value) })
        }
    }

    /// The first characters that have at most so many bytes.
    private static func shortened(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        var short = ""
        var count = 0
        for character in text {
            count += character.utf8.count
            guard count <= limit else { break }
            short.append(character)
        }
        return short
    }
}
