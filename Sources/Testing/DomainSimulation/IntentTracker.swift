import Domain

/// The intents that one run of the domain's process has been handed: each comes to an end exactly once, or with the process.
struct IntentTracker {
    /// Those under way, by their requests: the name of each.
    private(set) var open: [RequestID: String] = [:]
    /// What is wrong.
    private(set) var violations: [String] = []

    mutating func hand(_ request: RequestID, _ name: String) { open[request] = name }

    /// One has come to an end.
    ///
    /// - Returns: its name; nil where it was not under way, which is wrong.
    mutating func finish(_ request: RequestID) -> String? {
        if let name = open.removeValue(forKey: request) { return name }
        violations.append("request \(request) settled without being an intent under way")
        return nil
    }

    /// The process has ended, and with it all that was under way.
    mutating func forget() { open = [:] }
}
