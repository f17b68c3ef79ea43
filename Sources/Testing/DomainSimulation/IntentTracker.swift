import Domain

/// The intents passed to one process of the domain: each must finish exactly once, or end with the process.
struct IntentTracker {
    /// The names of the open intents, by request.
    private(set) var open: [RequestID: String] = [:]
    /// The detected errors.
    private(set) var violations: [String] = []

    mutating func hand(_ request: RequestID, _ name: String) { open[request] = name }

    /// An intent has finished.
    ///
    /// - Returns: its name; nil, which is an error, if it was not open.
    mutating func finish(_ request: RequestID) -> String? {
        if let name = open.removeValue(forKey: request) { return name }
        violations.append("request \(request) settled without being an intent under way")
        return nil
    }

    /// The process refuses all open intents.
    ///
    /// - Returns: their names, in order.
    mutating func refuseAll() -> [String] {
        defer { open = [:] }
        return open.sorted { $0.key < $1.key }.map(\.value)
    }

    /// The process has ended, and with it all open intents.
    mutating func forget() { open = [:] }
}
