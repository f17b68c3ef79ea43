/// The pod whose containers the kernel is to keep on the CPUs of a claim.
package struct PodReference: Equatable, Sendable {
    /// One of its containers.
    package struct Container: Equatable, Sendable {
        /// Its name in the pod.
        package let name: String
        /// Its id as the pod's status has it: 64 hexadecimal digits, after `containerd://` or the like.
        package let id: String

        /// A container; nil where the id is none.
        package init?(name: String, id: String) {
            guard Self.digits(of: id) != nil else { return nil }
            self.name = name
            self.id = id
        }

        /// The hexadecimal digits of the id, by which the container runtimes name cgroups.
        package var digits: String { Self.digits(of: id) ?? "" }

        /// The digits of `id`; nil where it is no container id.
        private static func digits(of id: String) -> String? {
            var digits = id.utf8[...]
            if let colon = digits.firstIndex(of: UInt8(ascii: ":")) {
                let scheme = digits[..<colon]
                digits = digits[colon...].dropFirst(3)
                guard id.utf8[colon...].starts(with: "://".utf8), (1...32).contains(scheme.count),
                    scheme.allSatisfy(isSchemeByte)
                else { return nil }
            }
            guard digits.count == 64, digits.allSatisfy(isHexadecimal) else { return nil }
            return String(Substring(digits))
        }
    }

    /// The pod's uid: a UUID, or the 32 hexadecimal digits that a static pod has, in small letters.
    package let uid: String
    /// Its containers, init and ephemeral ones among them.
    package let containers: [Container]

    /// A pod; nil where the uid is none.
    package init?(uid: String, containers: [Container]) {
        guard Self.isUID(uid) else { return nil }
        self.uid = uid
        self.containers = containers
    }

    /// Whether this is the uid of a pod: 32 hexadecimal digits in small letters, with or without the hyphens of a UUID.
    package static func isUID(_ text: some StringProtocol) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        let counts = parts.map(\.count)
        return (counts == [32] || counts == [8, 4, 4, 4, 12]) && parts.allSatisfy { $0.allSatisfy(isHexadecimal) }
    }
}

/// What became of a container of a claim's pod.
package struct ContainerState: Equatable, Sendable {
    /// How far the kernel keeps it on the claim's CPUs.
    package enum State: String, Sendable {
        /// Its cgroup has the claim's CPUs.
        case confined
        /// Its cgroup has others.
        case unconfined
        /// It has no cgroup: it was not started yet, or has ended.
        case missing
    }

    /// Which one.
    package let container: PodReference.Container
    /// Its cgroup, from the root of the hierarchy; nil where it has none.
    package let cgroup: String?
    /// How far the kernel follows.
    package let state: State

    /// A state.
    package init(_ container: PodReference.Container, cgroup: String?, _ state: State) {
        self.container = container
        self.cgroup = cgroup
        self.state = state
    }
}

private func isHexadecimal(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}

private func isSchemeByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
        UInt8(ascii: "+"), UInt8(ascii: "."):
        true
    default: false
    }
}
