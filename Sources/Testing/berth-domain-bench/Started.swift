import Synchronization

/// The ids of what was started, by number.
final class Started: Sendable {
    private let ids: Mutex<[String]>

    init(count: Int) { ids = Mutex(Array(repeating: "", count: count)) }

    func set(_ number: Int, _ id: String) { ids.withLock { $0[number] = id } }

    var all: [String] { ids.withLock { $0 } }
}
