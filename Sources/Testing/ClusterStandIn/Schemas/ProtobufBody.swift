import FoundationEssentials
import WireJSON

/// Reads the protobuf form of built-in kinds, which clients written in Go send.
enum ProtobufBody {
    /// What every body begins with.
    private static let magic: [UInt8] = [0x6B, 0x38, 0x73, 0x00]

    /// Whether a body has this form.
    static func isOne(_ body: [UInt8]) -> Bool { body.starts(with: magic) }

    /// The object of a body, with its apiVersion and kind; nil where the bytes are malformed or the kind is not known.
    static func read(_ body: [UInt8]) -> JSONValue? {
        guard isOne(body), let envelope = Message(body.dropFirst(magic.count)),
            let meta = envelope.bytes(1).flatMap({ Message($0) })
        else { return nil }
        let (apiVersion, kind) = (meta.text(1) ?? "", meta.text(2) ?? "")
        let parts = apiVersion.split(separator: "/")
        let group = parts.count == 2 ? parts[0].split(separator: ".").first.map(String.init) ?? "" : "core"
        let name =
            kind == "DeleteOptions"
            ? "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions" : "io.k8s.api.\(group).\(parts.last ?? "v1").\(kind)"
        guard let fields = BuiltinTypes.fields[name],
            let message = Message(envelope.bytes(2) ?? []),
            var value = object(message, fields.map { ($0.numbers[...], $0) })
        else { return nil }
        value.set("apiVersion", .string(apiVersion))
        value.set("kind", .string(kind))
        return value
    }

    /// Fields that Go writes also where they are not set: 0 or false stands for that.
    private static let zeroIsAbsent: Set<String> = [
        "containerPort", "count", "currentReplicas", "generation", "hostIPC", "hostNetwork", "hostPID", "hostPort",
        "initialDelaySeconds", "minReadySeconds", "nodePort", "observedGeneration", "paused", "periodSeconds",
        "publishNotReadyAddresses", "readOnly", "stdin", "stdinOnce", "successThreshold", "failureThreshold",
        "timeoutSeconds", "tty", "unschedulable",
    ]

    private typealias Place = (numbers: ArraySlice<Int>, field: BuiltinTypes.Field)

    private static func object(_ message: Message, _ places: [Place]) -> JSONValue? {
        var members: [(String, JSONValue)] = []
        var inner: [Int: [Place]] = [:]
        for place in places {
            guard let number = place.numbers.first else { continue }
            guard place.numbers.count == 1 else {
                inner[number, default: []].append((place.numbers.dropFirst(), place.field))
                continue
            }
            let values = message.values(number)
            guard let last = values.last else { continue }
            let value: JSONValue?
            switch place.field.type {
            case .list(let element, _):
                value = .array(values.compactMap { self.value($0, element, isRequired: true) })
            case .map(let type, _):
                value = .map(
                    values.compactMap { entry in
                        guard case .bytes(let bytes) = entry, let pair = Message(bytes),
                            case let key = pair.text(1) ?? "",
                            let value = self.value(pair.values(2).last ?? .bytes([]), type, isRequired: true)
                        else { return nil }
                        return (key, value)
                    })
            default: value = self.value(last, place.field.type, isRequired: place.field.isRequired)
            }
            guard let value else { continue }
            let isZero = value == .boolean(false) || value == .number("0")
            if isZero, zeroIsAbsent.contains(place.field.name) { continue }
            members.append((place.field.name, value))
        }
        for (number, places) in inner {
            guard let bytes = message.bytes(number) else { continue }
            guard let message = Message(bytes), let own = object(message, places) else { return nil }
            members += (own.members ?? []).map { ($0.name, $0.value) }
        }
        return .map(members)
    }

    private static func value(
        _ value: Message.Value, _ type: BuiltinTypes.FieldType, isRequired: Bool
    ) -> JSONValue? {
        switch (type, value) {
        case (.reference(let name, _), .bytes(let bytes)):
            guard let fields = BuiltinTypes.fields[name], let message = Message(bytes) else { return nil }
            return object(message, fields.map { ($0.numbers[...], $0) })
        case (.scalar("string"), .bytes(let bytes)):
            // Go writes strings that are not set as well.
            guard !bytes.isEmpty || isRequired else { return nil }
            return .string(String(decoding: bytes, as: UTF8.self))
        case (.scalar("bytes"), .bytes(let bytes)): return .string(Data(bytes).base64EncodedString())
        case (.scalar("bool"), .number(let number)): return .boolean(number != 0)
        case (.scalar("int32"), .number(let number)), (.scalar("int64"), .number(let number)):
            return .number(String(Int64(bitPattern: number)))
        case (.scalar("number"), .number(let number)): return .number("\(Double(bitPattern: number))")
        case (.scalar(let name), .bytes(let bytes)): return Message(bytes).flatMap { special(name, $0) }
        default: return nil
        }
    }

    /// Types that have a text in JSON and a message in protobuf.
    private static func special(_ name: String, _ message: Message) -> JSONValue? {
        switch name {
        case "quantity": return message.text(1).map { .string($0) }
        case "intOrString":
            guard message.number(1) == 1 else {
                return .number(String(Int64(bitPattern: message.number(2) ?? 0)))
            }
            return .string(message.text(3) ?? "")
        case "time", "microTime":
            guard let seconds = message.number(1) else { return nil }
            let micros = Int64(truncatingIfNeeded: message.number(2) ?? 0) / 1_000
            let time = StandInTime(seconds: Int64(bitPattern: seconds))
            return .string(
                name == "time" ? time.text : StandInTime(microseconds: time.microseconds &+ micros).microText)
        case "any": return message.bytes(1).flatMap { try? JSONValue(Array($0)).canonical }
        default: return nil
        }
    }

    /// The fields of a message, as they came.
    private struct Message {
        enum Value {
            case number(UInt64)
            case bytes(ArraySlice<UInt8>)
        }

        private var fields: [Int: [Value]] = [:]

        init?(_ bytes: ArraySlice<UInt8>) {
            var rest = bytes
            while !rest.isEmpty {
                guard let key = Self.varint(&rest), key >> 3 > 0, key >> 3 < 1 << 29 else { return nil }
                let value: Value
                switch key & 7 {
                case 0:
                    guard let number = Self.varint(&rest) else { return nil }
                    value = .number(number)
                case 1, 5:
                    let width = key & 7 == 1 ? 8 : 4
                    guard rest.count >= width else { return nil }
                    value = .number(rest.prefix(width).reversed().reduce(0) { $0 << 8 | UInt64($1) })
                    rest = rest.dropFirst(width)
                case 2:
                    guard let length = Self.varint(&rest), length <= UInt64(rest.count) else { return nil }
                    value = .bytes(rest.prefix(Int(length)))
                    rest = rest.dropFirst(Int(length))
                default: return nil
                }
                fields[Int(key >> 3), default: []].append(value)
            }
        }

        private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 64, by: 7) {
                guard let byte = rest.popFirst() else { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }

        func values(_ number: Int) -> [Value] { fields[number] ?? [] }

        func bytes(_ number: Int) -> ArraySlice<UInt8>? {
            guard case .bytes(let bytes)? = fields[number]?.last else { return nil }
            return bytes
        }

        func number(_ field: Int) -> UInt64? {
            guard case .number(let number)? = fields[field]?.last else { return nil }
            return number
        }

        func text(_ number: Int) -> String? { bytes(number).map { String(decoding: $0, as: UTF8.self) } }
    }
}

/// Reads the body of a request.
enum RequestBody {
    /// What is wrong with a JSON text, in Go's words where they are the same for all such texts.
    static func words(_ error: JSONError) -> String {
        error.reason == .endOfText ? "unexpected end of JSON input" : error.description
    }

    /// The object, in canonical form; nil where it is none.
    static func object(_ body: [UInt8]) -> JSONValue? {
        if ProtobufBody.isOne(body) { return ProtobufBody.read(body) }
        guard let value = try? JSONValue(body, maximumDepth: RequestLimits.depth), value.members != nil else {
            return nil
        }
        return value.canonical
    }
}
