import Glibc

/// Makes the directories above a path that are missing, with the mode 0755.
///
/// - Throws: ``SystemError`` which names the one that cannot be made.
package func makeDirectories(above path: String) throws(SystemError) {
    var directory = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
        directory += part
        defer { directory += "/" }
        if directory.isEmpty || mkdir(directory, 0o755) == 0 || errno == EEXIST { continue }
        throw SystemError("make \(directory)", errno: errno)
    }
}

/// The former name of ``makeDirectories(above:)``.
package func makeFolders(above path: String) throws(SystemError) { try makeDirectories(above: path) }
