import Ledger
import Machine

/// One change to the kernel, or its undo. As text it is one line that operators can read and that this module reads again:
/// words with single spaces between them. In paths, spaces, control characters and `%` are written like `%20`.
package enum KernelStep: Equatable, Sendable {
    /// Makes the cgroup that claims' cgroups are made in, and those above it, and enables controllers for them.
    case prepare(path: String, controllers: [String])
    /// Removes that cgroup, and those above it up to the one at `below`, which stays, as far as nothing is in them.
    case tidy(path: String, below: String = "/")
    /// Adds CPUs to the partition.
    case grow(CPUSet, PartitionPlace)
    /// Takes CPUs out of the partition, but for those that other claims use.
    case shrink(CPUSet, PartitionPlace)
    /// Makes the cgroup of a claim.
    case cgroup(ClaimCgroup)
    /// Removes the cgroup of a claim, with those inside it. Processes that are left are moved to `refuge`.
    case remove(path: String, refuge: String)
    /// Makes the cgroup of a claim a partition without load balancing: of the partition above it, or a remote one with these
    /// exclusive CPUs.
    case isolate(path: String, exclusive: CPUSet)
    /// Makes it a member again.
    case balance(path: String)
    /// Moves a process into the cgroup of a claim.
    case move(ProcessIdentity, to: String)
    /// Moves it back, where it is still there, and gives threads the affinity that the cgroups do not give them.
    case giveBack(ProcessIdentity, from: String, to: String, masks: [ThreadMask])
    /// Sets the affinity of all threads of a process.
    case pin(ProcessIdentity, CPUSet)
    /// Gives the threads the affinity they had, where it is still the one that was set.
    case unpin(ProcessIdentity, CPUSet, ThreadAffinity)
    /// Takes CPUs out of masks of interrupts or workqueues.
    case shift(MaskShift)
    /// Gives them back.
    case unshift(MaskShift)
    /// Keeps the containers of a pod on CPUs.
    case confine(PodConfinement)
    /// Gives the pod of this uid back what it had.
    case free(String)
    /// Keeps pods without a claim off CPUs.
    case bar(CPUSet)
    /// Lets them come back.
    case unbar(CPUSet)
    /// Nothing: the undo of what may stay.
    case nothing

    /// The step as one line.
    package var text: String {
        switch self {
        case .prepare(let path, let controllers):
            "prepare \(encoded(path)) with \(controllers.joined(separator: ","))"
        case .tidy(let path, let below): "tidy \(encoded(path))" + (below == "/" ? "" : " below \(encoded(below))")
        case .grow(let cpus, let place): "partition +\(cpus.list) \(place.text)"
        case .shrink(let cpus, let place): "partition -\(cpus.list) \(place.text)"
        case .cgroup(let cgroup): "cgroup \(cgroup.text)"
        case .remove(let path, let refuge): "remove \(encoded(path)) to \(encoded(refuge))"
        case .isolate(let path, let exclusive):
            "isolate \(encoded(path))" + (exclusive.isEmpty ? "" : " remote \(exclusive.list)")
        case .balance(let path): "balance \(encoded(path))"
        case .move(let process, let path): "move \(process.text) to \(encoded(path))"
        case .giveBack(let process, let from, let to, let masks):
            "return \(process.text) from \(encoded(from)) to \(encoded(to))" + masks.map { " \($0.text)" }.joined()
        case .pin(let process, let cpus): "pin \(process.text) to \(cpus.list)"
        case .unpin(let process, let cpus, let before): "unpin \(process.text) from \(cpus.list) to \(before.text)"
        case .shift(let shift): shift.text
        case .unshift(let shift): "undo \(shift.text)"
        case .confine(let pod): "pod \(pod.text)"
        case .free(let uid): "free-pod \(uid)"
        case .bar(let cpus): "pods -\(cpus.list)"
        case .unbar(let cpus): "pods +\(cpus.list)"
        case .nothing: "nothing"
        }
    }

    /// Whether a step of this text does something that a later look can verify.
    static func isVerified(_ text: String) -> Bool { !text.hasPrefix("prepare ") }

    /// Whether a step of this text adds CPUs to a partition.
    static func isGrowth(_ text: String) -> Bool { text.hasPrefix("partition +") }

    /// The step of this text; nil where it is none.
    package init?(text: String) {
        let words = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(Substring($0)) }
        guard let verb = words.first else { return nil }
        let rest = Array(words.dropFirst())
        let step: KernelStep?
        switch verb {
        case "prepare", "tidy", "cgroup", "remove", "isolate", "balance": step = Self.cgroupStep(verb, rest)
        case "partition": step = Self.partitionStep(rest)
        case "move", "return", "pin", "unpin": step = Self.processStep(verb, rest)
        case "pod": step = PodConfinement(words: rest).map { .confine($0) }
        case "free-pod": step = rest.count == 1 && PodReference.isUID(rest[0]) ? .free(rest[0]) : nil
        case "pods": step = Self.podsStep(rest)
        case "nothing": step = rest.isEmpty ? .nothing : nil
        case "undo": step = MaskShift(text: String(text.dropFirst(5))).map { .unshift($0) }
        default: step = MaskShift(text: text).map { .shift($0) }
        }
        guard let step else { return nil }
        self = step
    }

    private static func cgroupStep(_ verb: String, _ words: [String]) -> KernelStep? {
        guard let first = words.first, let path = decoded(first) else { return nil }
        switch (verb, words.count) {
        case ("prepare", 3) where words[1] == "with":
            let controllers = words[2].split(separator: ",").map(String.init)
            guard controllers.allSatisfy({ $0.utf8.allSatisfy(isWordByte) }) else { return nil }
            return .prepare(path: path, controllers: controllers)
        case ("tidy", 1): return .tidy(path: path)
        case ("tidy", 3) where words[1] == "below": return decoded(words[2]).map { .tidy(path: path, below: $0) }
        case ("isolate", 1): return .isolate(path: path, exclusive: CPUSet())
        case ("isolate", 3) where words[1] == "remote":
            guard let cpus = try? CPUSet(list: words[2]), !cpus.isEmpty else { return nil }
            return .isolate(path: path, exclusive: cpus)
        case ("balance", 1): return .balance(path: path)
        case ("remove", 3) where words[1] == "to": return decoded(words[2]).map { .remove(path: path, refuge: $0) }
        case ("cgroup", _): return ClaimCgroup(path, Array(words.dropFirst())).map { .cgroup($0) }
        default: return nil
        }
    }

    private static func partitionStep(_ words: [String]) -> KernelStep? {
        guard let delta = words.first, let sign = delta.first, sign == "+" || sign == "-",
            let cpus = try? CPUSet(list: delta.dropFirst()), let place = PartitionPlace(Array(words.dropFirst()))
        else { return nil }
        return sign == "+" ? .grow(cpus, place) : .shrink(cpus, place)
    }

    private static func podsStep(_ words: [String]) -> KernelStep? {
        guard words.count == 1, let sign = words[0].first, sign == "+" || sign == "-",
            let cpus = try? CPUSet(list: words[0].dropFirst()), !cpus.isEmpty
        else { return nil }
        return sign == "-" ? .bar(cpus) : .unbar(cpus)
    }

    private static func processStep(_ verb: String, _ words: [String]) -> KernelStep? {
        guard words.count >= 3, let process = ProcessIdentity(words.prefix(3)) else { return nil }
        let rest = Array(words.dropFirst(3))
        switch (verb, rest.count) {
        case ("move", 2) where rest[0] == "to": return decoded(rest[1]).map { .move(process, to: $0) }
        case ("return", 4...) where rest[0] == "from" && rest[2] == "to":
            let masks = rest.dropFirst(4).map { ThreadMask($0) }
            guard let from = decoded(rest[1]), let to = decoded(rest[3]), !masks.contains(nil) else { return nil }
            return .giveBack(process, from: from, to: to, masks: masks.compactMap(\.self))
        case ("pin", 2) where rest[0] == "to": return (try? CPUSet(list: rest[1])).map { .pin(process, $0) }
        case ("unpin", 4...) where rest[0] == "from" && rest[2] == "to":
            guard let cpus = try? CPUSet(list: rest[1]), let before = ThreadAffinity(Array(rest.dropFirst(3))) else {
                return nil
            }
            return .unpin(process, cpus, before)
        default: return nil
        }
    }
}

/// Where the partition is.
package struct PartitionPlace: Hashable, Sendable {
    /// How the partition is made.
    package enum Kind: String, Sendable {
        /// The slice is a partition root.
        case root
        /// The slice is a member with exclusive CPUs, and the cgroup of all claims is a remote partition root (Linux 6.7 and
        /// later).
        case remote
        /// The slice is a member with exclusive CPUs, and the claim's cgroup becomes a remote partition of its own.
        case apart
    }

    /// The cgroup of Berth.
    package var slice: String
    /// The cgroup below it in which the claims' cgroups are.
    package var claims: String
    /// How the partition is made.
    package var kind: Kind

    /// A place.
    package init(slice: String, claims: String, kind: Kind = .root) {
        self.slice = slice
        self.claims = claims
        self.kind = kind
    }

    var text: String { "\(kind.rawValue) \(encoded(slice)) for \(encoded(claims))" }

    init?(_ words: [String]) {
        guard words.count == 4, let kind = Kind(rawValue: words[0]), words[2] == "for", let slice = decoded(words[1]),
            let claims = decoded(words[3])
        else { return nil }
        self.init(slice: slice, claims: claims, kind: kind)
    }
}

extension ClaimCgroup {
    var text: String {
        var text = "\(encoded(path)) cpus \(cpus.list)"
        if !memoryNodes.isEmpty { text += " mems \(memoryNodes.list)" }
        if !pages.isEmpty {
            text += " pages " + pages.map { "\($0.size)=\($0.bytes)" }.joined(separator: ",")
        }
        return text
    }

    /// The cgroup of this path, from the words that follow it.
    init?(_ path: String, _ words: [String]) {
        guard words.count >= 2, words.count % 2 == 0, words[0] == "cpus", let cpus = try? CPUSet(list: words[1]) else {
            return nil
        }
        self.init(path: path, cpus: cpus)
        for index in stride(from: 2, to: words.count, by: 2) {
            switch words[index] {
            case "mems":
                guard let nodes = try? CPUSet(list: words[index + 1]) else { return nil }
                memoryNodes = nodes
            case "pages":
                for limit in words[index + 1].split(separator: ",") {
                    let parts = limit.split(separator: "=")
                    guard parts.count == 2, parts[0].utf8.allSatisfy(isWordByte), let bytes = Int(parts[1]), bytes >= 0
                    else { return nil }
                    pages.append(PageLimit(size: String(parts[0]), bytes: bytes))
                }
            default: return nil
            }
        }
    }
}

extension ProcessIdentity {
    /// `4242@10533 boot ID`.
    var text: String { "\(id)@\(startTime) boot \(encoded(bootID))" }

    init?(_ words: ArraySlice<String>) {
        let words = Array(words)
        guard words.count == 3, words[1] == "boot", let boot = decoded(words[2]) else { return nil }
        let numbers = words[0].split(separator: "@", omittingEmptySubsequences: false)
        guard numbers.count == 2, let id = Int(numbers[0]), id > 0, let start = Int(numbers[1]), start >= 0 else {
            return nil
        }
        self.init(id: id, startTime: start, bootID: boot)
    }
}

private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
    default: false
    }
}

/// A path or id as one word of a step.
func encoded(_ path: String) -> String {
    var text: [UInt8] = []
    for byte in path.utf8 {
        if byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: "%") {
            text += Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8)
        } else {
            text.append(byte)
        }
    }
    return String(decoding: text, as: UTF8.self)
}

/// The path or id of one word; nil where it is malformed or empty.
func decoded(_ word: String) -> String? {
    guard word.utf8.contains(UInt8(ascii: "%")) else { return word.isEmpty ? nil : word }
    var bytes: [UInt8] = []
    var rest = word.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        let digits = rest.prefix(2)
        guard digits.count == 2, digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
            let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16), value != 0
        else { return nil }
        bytes.append(value)
        rest = rest.dropFirst(2)
    }
    guard !bytes.isEmpty else { return nil }
    return String(validating: bytes, as: UTF8.self)
}
