/// Where the daemon's socket is.
package enum SocketPath {
    /// Where `berthd` listens by default.
    package static let standard = "/run/berth/epa.sock"
    /// Where the daemon of the snap listens, for people on its host.
    package static let snap = "/var/snap/epa-orchestrator/current/data/epa.sock"

    /// The path to use: `given`, else `BERTH_SOCKET`, else the one in `SNAP_DATA`, else ``standard``; where that
    /// does not exist and ``snap`` does, that one. Empty variables count as absent.
    ///
    /// - Parameter exists: whether a path is there.
    package static func resolve(
        given: String?, environment: [String: String], exists: (String) -> Bool
    ) -> String {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let path = given ?? variable("BERTH_SOCKET") { return path }
        if let directory = variable("SNAP_DATA") { return "\(directory)/data/epa.sock" }
        return !exists(standard) && exists(snap) ? snap : standard
    }
}
