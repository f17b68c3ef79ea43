import Machine
import Synchronization

/// Files of a machine that a test changes under a running program.
package final class ChangingFiles: MachineFiles {
    private let files: Mutex<CapturedFiles>

    package init(_ files: CapturedFiles) { self.files = Mutex(files) }

    package func read(_ path: String) -> [UInt8]? { files.withLock { $0 }.read(path) }
    package func entries(of directory: String) -> [String]? { files.withLock { $0 }.entries(of: directory) }

    package subscript(path: String) -> String? {
        get { files.withLock { $0[path] } }
        set { files.withLock { $0[path] = newValue } }
    }
}
