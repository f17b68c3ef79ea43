/// Takes lines that end in LF out of bytes that arrive in any pieces.
struct LineSplitter: Sendable {
    private let limit: Int
    private var bytes: [UInt8] = []
    private var begin = 0
    /// Up to where there is no end of a line.
    private var searched = 0

    /// A splitter of lines of at most `limit` bytes.
    init(limit: Int) { self.limit = limit }

    mutating func add(_ piece: [UInt8]) {
        if begin == bytes.count {
            bytes = piece
            begin = 0
            searched = 0
        } else {
            bytes += piece
        }
    }

    /// The next line that is complete and not empty; nil where more bytes are needed.
    ///
    /// - Throws: ``KubernetesError/tooLong(limit:)``, also for a line that is not complete yet.
    mutating func next() throws(KubernetesError) -> [UInt8]? {
        while let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = bytes[begin..<end]
            begin = end + 1
            searched = begin
            guard line.count <= limit else { throw .tooLong(limit: limit) }
            if !line.allSatisfy({ $0 == UInt8(ascii: "\r") }) { return Array(line) }
        }
        bytes.removeFirst(begin)
        begin = 0
        searched = bytes.count
        guard bytes.count <= limit else { throw .tooLong(limit: limit) }
        return nil
    }
}
