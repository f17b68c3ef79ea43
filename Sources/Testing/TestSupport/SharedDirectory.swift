import Glibc

/// The folder of real machines beside the checkout, which is not part of the project.
package enum SharedDirectory {
    /// `BERTH_SHARED`, else `../shared` beside the checkout; nil where it is absent.
    package static let path: String? = {
        if let named = getenv("BERTH_SHARED").map({ String(cString: $0) }), !named.isEmpty { return found(named) }
        let checkout = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        return found("/\(checkout)/shared")
    }()

    /// The names of the real machines; empty without the folder.
    package static let machines: [String] =
        (path.map { TemporaryDirectory.names(in: "\($0)/topologies") } ?? []).filter { $0.hasSuffix(".json") }
        .map { String($0.dropLast(5)) }

    private static func found(_ path: String) -> String? { access("\(path)/topologies", R_OK) == 0 ? path : nil }
}
