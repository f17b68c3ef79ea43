/// Where the files of `/sys` come from: the running kernel, a folder that stands for it, or a capture.
///
/// Paths are relative to `/sys`, without a leading slash: `devices/system/cpu/isolated`.
public protocol MachineFiles: Sendable {
    /// The content of a file; nil where it is absent, unreadable or longer than 1 MiB.
    func read(_ path: String) -> [UInt8]?

    /// The names in a folder, numbers within names in numerical order (`node2` before `node10`); nil where there is
    /// no such folder or it may not be listed.
    ///
    /// Under snapd `devices/system/cpu` may not be listed, only opened by name: nothing here ever lists it.
    func entries(of folder: String) -> [String]?
}

/// The longest file that is read, in bytes. The longest file of a kernel with 8,192 CPUs is below 64 KiB.
let maximumFileSize = 1 << 20

/// Whether `left` comes before `right` where runs of digits count as numbers.
func numericallyPrecedes(_ left: String, _ right: String) -> Bool {
    func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    var first = left.utf8[...]
    var second = right.utf8[...]
    while let a = first.first, let b = second.first {
        if isDigit(a), isDigit(b) {
            let runA = first.prefix(while: isDigit)
            let runB = second.prefix(while: isDigit)
            let digitsA = runA.drop { $0 == UInt8(ascii: "0") }
            let digitsB = runB.drop { $0 == UInt8(ascii: "0") }
            if digitsA.count != digitsB.count { return digitsA.count < digitsB.count }
            if !digitsA.elementsEqual(digitsB) { return digitsA.lexicographicallyPrecedes(digitsB) }
            first = first[runA.endIndex...]
            second = second[runB.endIndex...]
        } else if a != b {
            return a < b
        } else {
            first = first.dropFirst()
            second = second.dropFirst()
        }
    }
    if first.isEmpty != second.isEmpty { return first.isEmpty }
    return left.utf8.lexicographicallyPrecedes(right.utf8)
}
