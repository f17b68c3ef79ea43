/// Where the files of `/sys` come from: the running kernel, a directory that stands for it, or a capture.
///
/// Paths are relative to `/sys`, without a leading slash: `devices/system/cpu/isolated`.
package protocol MachineFiles: Sendable {
    /// The content of a file; nil where it is absent, unreadable or longer than 1 MiB.
    func read(_ path: String) -> [UInt8]?

    /// The names in a directory, numbers within names in numerical order (`node2` before `node10`); nil where there is
    /// no such directory or it may not be listed.
    ///
    /// Under snapd `devices/system/cpu` may not be listed, only opened by name: nothing here ever lists it.
    func entries(of directory: String) -> [String]?
}

/// The longest file that is read, in bytes. The longest file of a kernel with 8,192 CPUs is below 64 KiB.
let maximumFileSize = 1 << 20

/// Whether `left` comes before `right` where runs of digits count as numbers.
func numericallyPrecedes(_ left: String, _ right: String) -> Bool {
    var (left, right) = (left, right)
    return left.withUTF8 { left in
        right.withUTF8 { right in numericallyPrecedes(left, right) }
    }
}

private func numericallyPrecedes(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
    func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    /// The end of the run of digits at `start`.
    func end(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        text[start...].firstIndex { !isDigit($0) } ?? text.endIndex
    }
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
        if isDigit(left[i]), isDigit(right[j]) {
            let (endI, endJ) = (end(left, i), end(right, j))
            let first = left[i..<endI].drop { $0 == UInt8(ascii: "0") }
            let second = right[j..<endJ].drop { $0 == UInt8(ascii: "0") }
            if first.count != second.count { return first.count < second.count }
            if !first.elementsEqual(second) { return first.lexicographicallyPrecedes(second) }
            (i, j) = (endI, endJ)
        } else if left[i] != right[j] {
            return left[i] < right[j]
        } else {
            (i, j) = (i + 1, j + 1)
        }
    }
    if (i == left.count) != (j == right.count) { return i == left.count }
    return left.lexicographicallyPrecedes(right)
}
