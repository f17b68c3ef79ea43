import Machine

/// One message of D-Bus, as far as a client that calls methods needs it (D-Bus specification, "Message Protocol").
struct BusMessage: Equatable {
    /// What it is.
    enum Kind: UInt8 {
        case call = 1
        case reply = 2
        case error = 3
        case signal = 4
    }

    /// The longest message that is read, in bytes.
    static let limit = 1 << 20

    let kind: Kind
    /// The serial of the call that is answered; nil where none is.
    let replySerial: UInt32?
    /// The name of the error; nil where there is none.
    let errorName: String?
    /// The first text of the body, where it begins with one.
    let text: String?

    // MARK: - Writing

    /// A call of a method.
    static func call(
        _ serial: UInt32, to destination: String, path: String, interface: String, member: String,
        signature: String = "", body: [UInt8] = []
    ) -> [UInt8] {
        var fields = BusWriter()
        func field(_ code: UInt8, _ type: String, _ value: String) {
            fields.align(8)
            fields.bytes.append(code)
            fields.signature(type)
            if type == "g" { fields.signature(value) } else { fields.text(value) }
        }
        field(1, "o", path)
        field(2, "s", interface)
        field(3, "s", member)
        field(6, "s", destination)
        if !signature.isEmpty { field(8, "g", signature) }
        var message = BusWriter()
        message.bytes = [UInt8(ascii: "l"), Kind.call.rawValue, 0, 1]
        message.number(UInt32(body.count))
        message.number(serial)
        message.number(UInt32(fields.bytes.count))
        message.bytes += fields.bytes
        message.align(8)
        return message.bytes + body
    }

    /// The body that sets properties of a unit until the next boot: `sba(sv)`, each value a bitmap.
    static func properties(of unit: String, _ bitmaps: [(name: String, bits: CPUSet)]) -> [UInt8] {
        var array = BusWriter()
        for (name, bits) in bitmaps {
            array.align(8)
            array.text(name)
            array.signature("ay")
            let bytes = bitmap(bits)
            array.number(UInt32(bytes.count))
            array.bytes += bytes
        }
        var body = BusWriter()
        body.text(unit)
        body.number(1)  // Until the next boot.
        body.number(UInt32(array.bytes.count))
        body.align(8)
        return body.bytes + array.bytes
    }

    /// The bits of a set, those of CPU 0 to 7 in the first byte.
    static func bitmap(_ set: CPUSet) -> [UInt8] {
        guard let last = set.last else { return [] }
        var bytes = [UInt8](repeating: 0, count: last / 8 + 1)
        for bit in set { bytes[bit / 8] |= 1 << UInt8(bit % 8) }
        return bytes
    }

    // MARK: - Reading

    /// How long the message is that begins with these 16 bytes; nil where they begin none, or one that is too long.
    static func length(_ start: [UInt8]) -> Int? {
        guard start.count >= 16, start[0] == UInt8(ascii: "l"), start[3] == 1 else { return nil }
        var reader = BusReader(bytes: start, position: 4)
        guard let body = reader.number(), reader.number() != nil, let fields = reader.number() else { return nil }
        let head = (16 + Int(fields) + 7) / 8 * 8
        let length = head + Int(body)
        return length <= limit ? length : nil
    }

    /// The message of these bytes; nil where they are none.
    init?(_ bytes: [UInt8]) {
        guard let length = Self.length(bytes), length == bytes.count, let kind = Kind(rawValue: bytes[1]) else {
            return nil
        }
        self.kind = kind
        var reader = BusReader(bytes: bytes, position: 12)
        guard let size = reader.number() else { return nil }
        let end = 16 + Int(size)
        var serial: UInt32?
        var error: String?
        var signature = ""
        while reader.position < end {
            reader.align(8)
            guard let code = reader.byte(), let type = reader.signature() else { return nil }
            switch type {
            case "u":
                guard let value = reader.number() else { return nil }
                if code == 5 { serial = value }
            case "s", "o":
                guard let value = reader.text() else { return nil }
                if code == 4 { error = value }
            case "g":
                guard let value = reader.signature() else { return nil }
                signature = value
            default: return nil
            }
        }
        reader.align(8)
        replySerial = serial
        errorName = error
        text = signature.hasPrefix("s") ? reader.text() : nil
    }
}

/// Writes the values of a message.
private struct BusWriter {
    var bytes: [UInt8] = []

    mutating func align(_ size: Int) { while bytes.count % size != 0 { bytes.append(0) } }

    mutating func number(_ value: UInt32) {
        align(4)
        for shift in stride(from: UInt32(0), to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func text(_ text: String) {
        let utf8 = Array(text.utf8)
        number(UInt32(utf8.count))
        bytes += utf8 + [0]
    }

    mutating func signature(_ text: String) { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) + [0] }
}

/// Reads the values of a message.
private struct BusReader {
    let bytes: [UInt8]
    var position: Int

    mutating func align(_ size: Int) { position = (position + size - 1) / size * size }

    mutating func byte() -> UInt8? {
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func number() -> UInt32? {
        align(4)
        guard position + 4 <= bytes.count else { return nil }
        defer { position += 4 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[position + $1]) << UInt32($1 * 8) }
    }

    mutating func text() -> String? { number().flatMap { take(Int($0)) } }

    mutating func signature() -> String? { byte().flatMap { take(Int($0)) } }

    private mutating func take(_ count: Int) -> String? {
        guard count <= bytes.count, position + count + 1 <= bytes.count else { return nil }
        defer { position += count + 1 }
        return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }
}
