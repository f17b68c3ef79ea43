/// Linux list text: the form of `cpu/online`, `cpulist` and `thread_siblings_list`
/// (kernel `Documentation/admin-guide/kernel-parameters.rst`, "cpu lists").
extension CPUSet {
    /// Reads Linux list text such as `0-3,8,16-30:2/4`.
    ///
    /// An item is a number, a range `a-b`, or a range with a stride `a-b:used/group` (of every `group` CPUs the first
    /// `used`). Whitespace around items and empty items are tolerated (EPA specification, "CPU list text"); empty text is
    /// the empty set.
    ///
    /// - Throws: ``CPUListError``, which names the offending part.
    package init(list: some StringProtocol) throws(CPUListError) {
        self.init()
        var text = String(list)
        text.makeContiguousUTF8()
        var bytes = text.utf8[...]
        var steps = 0
        while true {
            let comma = bytes.firstIndex(of: UInt8(ascii: ","))
            try insert(item: bytes[..<(comma ?? bytes.endIndex)].trimmed, steps: &steps)
            guard let comma else { return }
            bytes = bytes[bytes.index(after: comma)...]
        }
    }

    /// Linux list text: ascending, runs of two and more as `a-b`, joined by `,`; empty text for the empty set.
    package var list: String {
        var text = ""
        for run in runs {
            if !text.isEmpty { text.append(",") }
            text += String(run.lowerBound)
            if run.count > 1 {
                text.append("-")
                text += String(run.upperBound)
            }
        }
        return text
    }

    /// The maximal runs of consecutive CPUs, ascending.
    package var runs: [ClosedRange<Int>] {
        var runs: [ClosedRange<Int>] = []
        for cpu in self {
            if let last = runs.last, last.upperBound == cpu - 1 {
                runs[runs.count - 1] = last.lowerBound...cpu
            } else {
                runs.append(cpu...cpu)
            }
        }
        return runs
    }

    /// The most groups that the strides of one list may have together: each one costs time, and a list that names every
    /// CPU by a stride of its own eight times over needs no more.
    private static let strideLimit = 8 * (maximumCPU + 1)

    private mutating func insert(item: Substring.UTF8View, steps: inout Int) throws(CPUListError) {
        guard !item.isEmpty else { return }
        let part = CPUListError.part(item)
        let pieces = item.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        let bounds = pieces[0].split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
        let lower = try Self.number(bounds[0], in: part)
        let upper = bounds.count > 1 ? try Self.number(bounds[1], in: part) : lower
        guard lower <= upper else { throw CPUListError(part: part, reason: .reversed) }
        guard upper <= Self.maximumCPU else { throw CPUListError(part: part, reason: .tooLarge) }
        guard pieces.count > 1 else {
            insert(contentsOf: lower...upper)
            return
        }
        let stride = pieces[1].split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        guard bounds.count > 1, stride.count == 2 else { throw CPUListError(part: part, reason: .badStride) }
        let used = try Self.number(stride[0], in: part)
        let group = try Self.number(stride[1], in: part)
        guard used > 0, used <= group else { throw CPUListError(part: part, reason: .badStride) }
        steps += (upper - lower) / group + 1
        guard steps <= Self.strideLimit else { throw CPUListError(part: part, reason: .tooManyStrides) }
        var start = lower
        while start <= upper {
            insert(contentsOf: start...Swift.min(start + used - 1, upper))
            start += group
        }
    }

    private static func number(_ text: Substring.UTF8View, in part: String) throws(CPUListError) -> Int {
        let text = text.trimmed
        guard !text.isEmpty else { throw CPUListError(part: part, reason: .notANumber) }
        var value = 0
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else {
                throw CPUListError(part: part, reason: .notANumber)
            }
            // Saturates: every value above the limit is the same error.
            value = Swift.min(value * 10 + Int(byte - UInt8(ascii: "0")), maximumCPU + 1)
        }
        return value
    }
}

extension CPUSet: CustomStringConvertible {
    /// The same as ``list``.
    package var description: String { list }
}

/// What is wrong with a CPU list, and where.
package struct CPUListError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What a part of a list can have wrong.
    package enum Reason: Equatable, Sendable {
        /// A number was expected.
        case notANumber
        /// A range ends before it starts.
        case reversed
        /// A CPU number is above ``CPUSet/maximumCPU``.
        case tooLarge
        /// A stride is not `a-b:used/group` with 1 ≤ used ≤ group.
        case badStride
        /// The strides of the list have more groups than any machine needs.
        case tooManyStrides
        /// A word of a mask is not hexadecimal.
        case badMask
    }

    /// The offending item, as it stood between commas; cut where it is long.
    package let part: String
    /// What is wrong with it.
    package let reason: Reason

    /// An error about `part`.
    package init(part: String, reason: Reason) {
        self.part = part
        self.reason = reason
    }

    /// `text` for an error: at most 64 bytes of it.
    static func part(_ text: Substring.UTF8View) -> String {
        let limit = 64
        let start = text.prefix(limit + 1)
        guard start.count > limit else { return String(Substring(text)) }
        return String(decoding: start.dropLast(), as: UTF8.self) + "…"
    }

    /// The sentence for people; the one for a reversed range is on the EPA wire.
    package var description: String {
        switch reason {
        case .notANumber: "Invalid CPU number: \(part) (expected N, A-B or A-B:USED/GROUP)"
        case .reversed: "Invalid CPU range: \(part) (start > end)"
        case .tooLarge: "Invalid CPU number: \(part) (above \(CPUSet.maximumCPU))"
        case .badStride: "Invalid CPU stride: \(part) (expected A-B:USED/GROUP with 1 <= USED <= GROUP)"
        case .tooManyStrides: "Invalid CPU stride: \(part) (the strides of the list have too many groups)"
        case .badMask: "Invalid CPU mask: \(part) (expected hexadecimal words of 32 CPUs joined by commas)"
        }
    }
}

extension Substring.UTF8View {
    /// Without whitespace at both ends.
    fileprivate var trimmed: Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
        var view = self
        while let first = view.first, isSpace(first) { view = view.dropFirst() }
        while let last = view.last, isSpace(last) { view = view.dropLast() }
        return view
    }
}
