import Machine
import WireJSON

/// An object of a reply, read member by member.
package struct ReplyObject: Sendable {
    let value: JSONValue

    /// The members of `value`.
    ///
    /// - Throws: ``ReplyError`` where it is no object.
    init(_ value: JSONValue) throws(ReplyError) {
        guard value.members != nil else { throw ReplyError("expected an object") }
        self.value = value
    }

    func text(_ name: String) throws(ReplyError) -> String { try member(name, "a string", \.string) }
    func count(_ name: String) throws(ReplyError) -> Int { try member(name, "an integer", \.integer) }
    func truth(_ name: String) throws(ReplyError) -> Bool { try member(name, "true or false", \.boolean) }

    func cpus(_ name: String) throws(ReplyError) -> CPUSet {
        let list = try text(name)
        do { return try CPUSet(list: list) } catch { throw ReplyError("`\(name)`: \(error)") }
    }

    func objects(_ name: String) throws(ReplyError) -> [ReplyObject] {
        var objects: [ReplyObject] = []
        for element in try member(name, "an array", \.array) { objects.append(try Self.named(name, element)) }
        return objects
    }

    /// The allocations in the array `name`.
    func allocations(_ name: String) throws(ReplyError) -> [Allocation] {
        var allocations: [Allocation] = []
        for entry in try objects(name) {
            allocations.append(
                Allocation(
                    service: try entry.text("service_name"), cpus: try entry.cpus("allocated_cores"),
                    isExplicit: try entry.truth("is_explicit")))
        }
        return allocations
    }

    /// The object `name`.
    func object(_ name: String) throws(ReplyError) -> ReplyObject {
        guard let member = value[name] else { throw ReplyError("`\(name)` is missing") }
        return try Self.named(name, member)
    }

    /// The text `name`; nil where there is no such member.
    func optionalText(_ name: String) throws(ReplyError) -> String? { value[name] == nil ? nil : try text(name) }

    /// The members of the object `name`, in their order.
    func members(_ name: String) throws(ReplyError) -> [JSONValue.Member] {
        try member(name, "an object", \.members)
    }

    static func named(_ name: String, _ value: JSONValue) throws(ReplyError) -> ReplyObject {
        do { return try ReplyObject(value) } catch { throw ReplyError("`\(name)`: \(error)") }
    }

    private func member<Value>(
        _ name: String, _ kind: String, _ path: KeyPath<JSONValue, Value?>
    ) throws(ReplyError) -> Value {
        guard let member = value[name] else { throw ReplyError("`\(name)` is missing") }
        guard let found = member[keyPath: path] else { throw ReplyError("`\(name)` is not \(kind)") }
        return found
    }
}
