import FoundationEssentials
import Glibc

/// The files of one machine in memory: a capture to replay, or a machine that code made up (``CapturedFiles/Shape``).
///
/// Its JSON form is `{"name": …, "files": {path under /sys: content}}`. On reading, the files of an optional
/// `"derived"` object fill in for absent ones and other keys are ignored. A path that ends in a slash is an empty
/// directory.
package struct CapturedFiles: MachineFiles, Equatable {
    /// What the machine is called.
    package let name: String
    /// The content of each file by its path under `/sys`.
    package private(set) var files: [String: String]
    /// The names in each directory that has one, in no order: few directories are ever listed.
    private var directories: [String: [String]] = [:]

    /// A machine of the given files.
    package init(name: String, files: [String: String]) {
        self.name = name
        self.files = files
        index()
    }

    /// The content of one file, nil where it is absent; setting nil removes the file.
    package subscript(path: String) -> String? {
        get { files[path] }
        set {
            let changesDirectories = (files[path] == nil) != (newValue == nil)
            files[path] = newValue
            if changesDirectories { index() }
        }
    }

    /// The content of a file; nil where it is absent, a directory, or longer than 1 MiB.
    package func read(_ path: String) -> [UInt8]? {
        guard !path.hasSuffix("/"), let content = files[path], content.utf8.count <= maximumFileSize else { return nil }
        return Array(content.utf8)
    }

    /// The names in a directory that holds a file or is captured as empty, in numerical order.
    package func entries(of directory: String) -> [String]? {
        // A file and a directory of one name, which only corrupt data has, count once.
        directories[directory].map { Set($0).sorted(by: numericallyPrecedes) }
    }

    /// Whether name and files are the same.
    package static func == (left: CapturedFiles, right: CapturedFiles) -> Bool {
        left.name == right.name && left.files == right.files
    }

    private mutating func index() {
        directories = Dictionary(minimumCapacity: files.count)
        for path in files.keys {
            var path = path[...]
            if path.utf8.last == UInt8(ascii: "/") {
                path = path.dropLast()
                if directories[String(path)] != nil { continue }
                directories[String(path)] = []
            }
            // Up to the first directory that is known already.
            while let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) {
                let directory = String(path[..<slash])
                let isKnown = directories[directory] != nil
                directories[directory, default: []].append(String(path[path.index(after: slash)...]))
                if isKnown { break }
                path = path[..<slash]
            }
        }
    }
}

// MARK: - JSON

extension CapturedFiles: Codable {
    private enum CodingKeys: String, CodingKey { case name, files, derived }

    /// Reads `name`, `files` and `derived`; only `files` must be there.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let files = try container.decode([String: String].self, forKey: .files)
        let derived = try container.decodeIfPresent([String: String].self, forKey: .derived) ?? [:]
        self.init(
            name: try container.decodeIfPresent(String.self, forKey: .name) ?? "",
            files: files.merging(derived) { captured, _ in captured })
    }

    /// Writes `name` and `files`.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(files, forKey: .files)
    }

    /// Reads the JSON form.
    ///
    /// - Throws: ``CaptureError/malformed(_:)``.
    package init(json: some Sequence<UInt8>) throws(CaptureError) {
        do {
            self = try JSONDecoder().decode(CapturedFiles.self, from: Data(json))
        } catch {
            throw .malformed(Self.sentence(error))
        }
    }

    /// What is wrong with a text that is not a capture, without the names of types.
    private static func sentence(_ error: any Error) -> String {
        func member(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "the document" : path.map(\.stringValue).joined(separator: " of ").debugDescription
        }
        switch error as? DecodingError {
        case .keyNotFound(let key, _): return "\(key.stringValue.debugDescription) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return "\(member(context.codingPath.reversed())) has the wrong type"
        case .dataCorrupted: return "it is not valid JSON"
        default: return "it cannot be decoded"
        }
    }

    /// The JSON form, indented, keys sorted: equal captures give equal bytes.
    ///
    /// - Throws: ``CaptureError/malformed(_:)`` where the encoder refuses; no known content makes it.
    package func json() throws(CaptureError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
        } catch {
            throw .malformed("\(error)")
        }
    }

    /// Reads a capture from a file.
    ///
    /// - Throws: ``CaptureError``.
    package init(contentsOf path: String) throws(CaptureError) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw .file(path, Self.reason(error))
        }
        do {
            try self.init(json: data)
        } catch .malformed(let reason) {
            throw .malformedFile(path, reason)
        }
    }

    /// What the system says, without the library's wrapping.
    private static func reason(_ error: any Error) -> String {
        let underlying = (error as? CocoaError)?.userInfo["NSUnderlyingError"] as? POSIXError
        return underlying.map { String(cString: strerror($0.code.rawValue)) } ?? "\(error)"
    }

    /// Writes the JSON form to a file, replacing it atomically.
    ///
    /// - Throws: ``CaptureError``.
    package func write(to path: String) throws(CaptureError) {
        let data = Data(try json())
        do {
            try data.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .file(path, Self.reason(error))
        }
    }
}

/// Why a capture could not be read or written.
package enum CaptureError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be read or written: its path and the reason.
    case file(String, String)
    /// The text is not a capture; the reason.
    case malformed(String)
    /// The text of a file is not a capture: its path and the reason.
    case malformedFile(String, String)

    private static let form = "expected {\"name\": …, \"files\": {path: content}}"

    /// The sentence for people.
    package var description: String {
        switch self {
        case .file(let path, let reason): "Cannot read or write the capture \(path): \(reason)"
        case .malformed(let reason): "Not a machine capture (\(Self.form)): \(reason)"
        case .malformedFile(let path, let reason): "Not a machine capture (\(Self.form)): \(path): \(reason)"
        }
    }
}
