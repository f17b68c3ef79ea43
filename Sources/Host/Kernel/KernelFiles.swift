import Service

/// The files through which the kernel is read and changed: `/proc`, `/sys` and cgroupfs, by absolute path. Injected, so that
/// tests have kernels of their own.
package protocol KernelFiles: Sendable {
    /// The whole text of a file.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    func read(_ path: String) throws(SystemError) -> String

    /// Writes `text` with one write(2), as the kernel's files want it. The file must exist.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    func write(_ text: String, to path: String) throws(SystemError)

    /// The names in a directory, in no order.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    func entries(_ path: String) throws(SystemError) -> [String]

    /// Makes a directory (mode 0755), which in cgroupfs makes a cgroup.
    ///
    /// - Throws: `SystemError` with the kernel's errno; EEXIST where it is there already.
    func makeDirectory(_ path: String) throws(SystemError)

    /// Removes an empty directory, which in cgroupfs removes a cgroup without processes and children.
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    func removeDirectory(_ path: String) throws(SystemError)
}
