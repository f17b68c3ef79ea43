import Kernel
import Ledger

/// A process as the kernel shows it now.
package struct FoundProcess: Equatable, Sendable {
    /// Which process it is.
    package let identity: ProcessIdentity
    /// Its effective user.
    package let uid: UInt32

    /// A process.
    package init(identity: ProcessIdentity, uid: UInt32) {
        self.identity = identity
        self.uid = uid
    }
}

/// Finds a process by its id; nil where there is none.
package typealias ProcessLookup = @Sendable (_ pid: Int) -> FoundProcess?

extension FoundProcess {
    /// The process of this id, if there is one.
    package init?(pid: Int, _ processes: ProcessFiles = ProcessFiles(RootedKernelFiles())) {
        // When it started is read again at the end: both files are then of the same process.
        guard let identity = try? processes.identity(of: pid), let uid = (try? processes.users(of: pid))?.effective,
            (try? processes.status(of: pid))?.startTime == identity.startTime
        else { return nil }
        self.init(identity: identity, uid: uid)
    }
}
