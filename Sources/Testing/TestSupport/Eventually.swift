/// Waits until `condition` holds, at most `seconds`; what it throws counts as not yet.
///
/// - Returns: whether it came to hold.
/// - Throws: where the task is cancelled.
package func eventually(seconds: Double = 20, _ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<Int(seconds / 0.01) {
        if (try? await condition()) == true { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return (try? await condition()) == true
}
