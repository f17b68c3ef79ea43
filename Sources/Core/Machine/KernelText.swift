/// Parses what kernels write to files of `/sys`, and what dumps of them contain.
enum KernelText {
    /// `bytes` without whitespace and NUL bytes at both ends; empty for `(null)`, which some kernels print for
    /// a mask that was never allocated.
    static func trimmed(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0 || byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
        var text = bytes[...]
        while let first = text.first, isSpace(first) { text.removeFirst() }
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text.elementsEqual("(null)".utf8) ? [] : text
    }

    /// A list of CPUs or nodes.
    static func list(_ bytes: [UInt8]) throws(CPUListError) -> CPUSet {
        try CPUSet(list: String(decoding: trimmed(bytes), as: UTF8.self))
    }

    /// A hexadecimal mask of CPUs.
    static func mask(_ bytes: [UInt8]) throws(CPUListError) -> CPUSet {
        try CPUSet(mask: String(decoding: trimmed(bytes), as: UTF8.self))
    }

    /// A decimal number, with a sign or without; nil for anything else and for what an `Int` cannot hold.
    static func number(_ bytes: [UInt8]?) -> Int? {
        guard let bytes else { return nil }
        return Int(String(decoding: trimmed(bytes), as: UTF8.self))
    }

    /// A hexadecimal number with `0x` before it; nil for anything else and for what 64 bits cannot hold.
    static func hexadecimal(_ bytes: [UInt8]) -> UInt64? {
        let text = trimmed(bytes)
        guard text.starts(with: "0x".utf8), text.dropFirst(2).first != UInt8(ascii: "+") else { return nil }
        return UInt64(String(decoding: text.dropFirst(2), as: UTF8.self), radix: 16)
    }

    /// The number at the end of a name like `node12`: plain digits after `prefix` and before `suffix`.
    static func number(in name: String, after prefix: String, before suffix: String = "") -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.utf8.count > prefix.utf8.count + suffix.utf8.count
        else { return nil }
        let digits = name.utf8.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)
        guard digits.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else { return nil }
        return Int(Substring(digits))
    }
}

/// Paths under `/sys`.
enum SysPath {
    static let cpus = "devices/system/cpu"
    static let nodes = "devices/system/node"
    static let hugePages = "kernel/mm/hugepages"

    static func cpu(_ cpu: Int) -> String { "\(cpus)/cpu\(cpu)" }
    /// Arm's register that names the model of a core (MIDR_EL1).
    static func model(of cpu: Int) -> String { "\(cpus)/cpu\(cpu)/regs/identification/midr_el1" }
    static func capacity(of cpu: Int) -> String { "\(cpus)/cpu\(cpu)/cpu_capacity" }
    static func topology(of cpu: Int, _ file: String) -> String { "\(cpus)/cpu\(cpu)/topology/\(file)" }
    static func cache(of cpu: Int, _ index: Int, _ file: String) -> String {
        "\(cpus)/cpu\(cpu)/cache/index\(index)/\(file)"
    }
    static func node(_ id: Int) -> String { "\(nodes)/node\(id)" }
}
