import WireJSON

/// JSON merge patch (RFC 7396).
enum MergePatch {
    static func apply(_ patch: JSONValue, to target: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result = target.members == nil ? JSONValue.empty : target
        for change in changes {
            result.set(
                change.name,
                change.value == .null ? nil : apply(change.value, to: result.member(change.name) ?? .null))
        }
        return result
    }
}
