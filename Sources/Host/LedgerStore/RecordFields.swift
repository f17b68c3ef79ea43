import Machine
import WireJSON

/// Why a record of the store cannot be used.
package enum RecordError: Error, Equatable, Sendable, CustomStringConvertible {
    /// It does not have the form of a record.
    case malformed(String)
    /// A newer version of Berth wrote it.
    case newer(version: Int)

    /// One sentence for people.
    package var description: String {
        switch self {
        case .malformed(let text): text
        case .newer(let version):
            "a newer version of Berth wrote it (records of version \(version), this one reads up to "
                + "\(LedgerRecord.version)); start that version, or go back to a state that this one wrote"
        }
    }
}

/// The members of a record, each read with an error that names it.
extension JSONValue? {
    func number(_ name: String) throws(RecordError) -> Int {
        guard let number = self?.integer else { throw .malformed("\(name) is no integer") }
        return number
    }

    func text(_ name: String) throws(RecordError) -> String {
        guard let text = self?.string else { throw .malformed("\(name) is no text") }
        return text
    }

    func flag(_ name: String) throws(RecordError) -> Bool {
        guard let flag = self?.boolean else { throw .malformed("\(name) is neither true nor false") }
        return flag
    }

    func cpus(_ name: String) throws(RecordError) -> CPUSet {
        let list = try text(name)
        do { return try CPUSet(list: list) } catch { throw .malformed("\(name): \(error)") }
    }

    func optionalCPUs(_ name: String) throws(RecordError) -> CPUSet { self == nil ? CPUSet() : try cpus(name) }

    /// The elements of an optional array.
    func elements(_ name: String) throws(RecordError) -> [JSONValue] {
        guard let self else { return [] }
        guard let elements = self.array else { throw .malformed("\(name) is no array") }
        return elements
    }
}

extension JSONValue {
    func number(_ name: String) throws(RecordError) -> Int { try Optional(self).number(name) }
    func text(_ name: String) throws(RecordError) -> String { try Optional(self).text(name) }
    func flag(_ name: String) throws(RecordError) -> Bool { try Optional(self).flag(name) }

    /// Refuses members of other names: what is not known must not be dropped.
    func allow(_ names: Set<String>, _ what: String) throws(RecordError) {
        guard let members else { throw .malformed("\(what) is no object") }
        for member in members where !names.contains(member.name) {
            throw .malformed("\(what) has the unknown member \(member.name.debugDescription)")
        }
    }
}
