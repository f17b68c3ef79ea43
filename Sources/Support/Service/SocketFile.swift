import CLinux
import Glibc

/// A listening Unix socket that appears at its path ready and with the right owner and mode, or not at all.
///
/// It is bound under a temporary name that nobody may use, given its owner and mode, and moved to its path once it
/// listens; so no client meets a socket with the wrong mode (EPA specification, section 7, item 10), and a stale file of
/// a server that was killed is replaced in the same step.
package struct SocketFile: Sendable {
    /// The socket's path.
    package let path: String
    /// The listening descriptor, not blocking; whoever serves it closes it.
    package let descriptor: Int32
    private let device: UInt64
    private let inode: UInt64

    /// The most bytes of a path: `sun_path` (unix(7)) less its final NUL and what the temporary name adds.
    package static let pathLimit = 107 - suffix.utf8.count
    /// What is added to the path until the socket is ready.
    private static let suffix = ".new"

    /// Listens at `path`. A socket that nobody listens to is replaced; anything else there is left alone.
    ///
    /// - Parameters:
    ///   - mode: the permission bits.
    ///   - owner: the user, or nil for the own one.
    ///   - group: the group, or nil for the own one.
    /// - Throws: ``SocketFileError``.
    package init(listeningAt path: String, mode: UInt32, owner: UInt32?, group: UInt32?) throws(SocketFileError) {
        let temporary = path + Self.suffix
        guard path.utf8.count <= Self.pathLimit else { throw .pathTooLong(path) }
        for place in [path, temporary] where Self.isOccupied(place) { throw .occupied(place) }
        guard !Self.answers(path) else { throw .inUse(path) }
        unlink(temporary)
        let descriptor = clinux_bind(temporary)
        guard descriptor >= 0 else { throw .failed(SystemError("bind a socket at \(temporary)", errno: errno)) }
        var file = stat()
        let steps: [(String, () -> Int32)] = [
            (
                "set the owner of \(path)",
                {
                    // Nothing to change is not even asked for: snapd's filter of system calls refuses it.
                    owner == nil && group == nil ? 0 : lchown(temporary, owner ?? UInt32.max, group ?? UInt32.max)
                }
            ),
            ("set the mode of \(path)", { chmod(temporary, mode) }),
            ("listen at \(path)", { listen(descriptor, 1024) }),
            ("look at \(path)", { lstat(temporary, &file) }),
            (
                "put the socket at \(path)",
                {
                    // A rename replaces whatever is there by now.
                    guard !Self.isOccupied(path) else {
                        errno = EEXIST
                        return -1
                    }
                    return rename(temporary, path)
                }
            ),
        ]
        for (action, step) in steps where step() != 0 {
            // EEXIST comes from no other step than the last look.
            let error: SocketFileError =
                errno == EEXIST ? .occupied(path) : .failed(SystemError(action, errno: errno))
            close(descriptor)
            unlink(temporary)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        device = UInt64(file.st_dev)
        inode = UInt64(file.st_ino)
    }

    /// Removes the file, if it is still this socket's.
    package func remove() {
        var file = stat()
        guard lstat(path, &file) == 0, file.st_mode & S_IFMT == S_IFSOCK, UInt64(file.st_dev) == device,
            UInt64(file.st_ino) == inode
        else { return }
        unlink(path)
    }

    /// Whether something is at `path` that is no socket: it is somebody's, and not looked through where it is a link.
    private static func isOccupied(_ path: String) -> Bool {
        var file = stat()
        return lstat(path, &file) == 0 && file.st_mode & S_IFMT != S_IFSOCK
    }

    /// Whether somebody accepts connections at `path`.
    package static func answers(_ path: String) -> Bool {
        // A queue that stays full is one that somebody listens to, if badly.
        let descriptor = clinux_connect_within(path, 1_000)
        guard descriptor >= 0 else { return errno == EAGAIN }
        close(descriptor)
        return true
    }
}

/// Why a socket could not be put in place.
package enum SocketFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The path does not fit into a socket address.
    case pathTooLong(String)
    /// Another program serves there.
    case inUse(String)
    /// Something is there that is no socket.
    case occupied(String)
    /// A system call failed.
    case failed(SystemError)

    /// One sentence for people.
    package var description: String {
        switch self {
        case .pathTooLong(let path):
            "\(path): a socket's path may have at most \(SocketFile.pathLimit) bytes, this has \(path.utf8.count)"
        case .inUse(let path): "\(path): another program serves there"
        case .occupied(let path): "\(path): exists and is not a socket; it is left alone"
        case .failed(let error): error.description
        }
    }
}
