/// The bytes of one run, taken from the front; zeros where they are used up.
struct Input {
    private var rest: UnsafeRawBufferPointer.SubSequence

    init(_ bytes: UnsafePointer<UInt8>?, _ count: Int) {
        rest = UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count)[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 { rest.popFirst() ?? 0 }

    mutating func number() -> Int { Int(byte()) << 16 | Int(byte()) << 8 | Int(byte()) }

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    /// All that is left.
    var all: [UInt8] { Array(rest) }
}

/// Ends the run as a failure that libFuzzer reports with the input.
func require(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}
