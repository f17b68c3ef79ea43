import Glibc

/// The directory of real machines and recordings beside the checkout, which is not part of the project. Tests that need it
/// have the trait `needsShared`.
package enum SharedDirectory {
    /// `BERTH_SHARED`, else `../shared` beside the checkout; nil where it is absent.
    package static let path: String? = {
        if let named = getenv("BERTH_SHARED").map({ String(cString: $0) }), !named.isEmpty { return found(named) }
        let checkout = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let beside = checkout.split(separator: "/").dropLast().joined(separator: "/")
        return found("/\(beside)/shared")
    }()

    /// The names of the real machines; empty without the directory.
    package static let machines = names(in: "topologies")
    /// The names of the machines of the recordings; empty without the directory.
    package static let recordedMachines = names(in: "golden/topologies")

    /// The names of the JSON files in a directory of it.
    private static func names(in directory: String) -> [String] {
        (path.map { TemporaryDirectory.names(in: "\($0)/\(directory)") } ?? []).filter { $0.hasSuffix(".json") }
            .map { String($0.dropLast(5)) }
    }

    private static func found(_ path: String) -> String? { access("\(path)/topologies", R_OK) == 0 ? path : nil }
}
