import Glibc

/// Makes the folders above a path that are missing, with the mode 0755.
///
/// - Throws: ``SystemError`` which names the one that cannot be made.
package func makeFolders(above path: String) throws(SystemError) {
    var folder = ""
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
        folder += part
        defer { folder += "/" }
        if folder.isEmpty || mkdir(folder, 0o755) == 0 || errno == EEXIST { continue }
        throw SystemError("make \(folder)", errno: errno)
    }
}
