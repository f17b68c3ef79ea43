import Glibc

/// What tells a file from what it was before: where it is on the disk, its size, and when it was written last.
package struct FileStamp: Equatable, Sendable {
    private let device: UInt
    private let inode: UInt
    private let size: Int
    private let seconds: Int
    private let nanoseconds: Int

    /// The stamp of the file that a path leads to; nil where there is none.
    package init?(_ path: String) {
        var info = stat()
        guard stat(path, &info) == 0 else { return nil }
        (device, inode, size) = (UInt(info.st_dev), UInt(info.st_ino), Int(info.st_size))
        (seconds, nanoseconds) = (Int(info.st_mtim.tv_sec), Int(info.st_mtim.tv_nsec))
    }
}
