import Ledger
import WireJSON

/// A pod in a body: `{"uid":"…","containers":[{"name":"…","id":"…"}]}`.
extension PodReference {
    /// The most containers of a pod.
    private static let limit = 256

    /// Reads a pod.
    ///
    /// - Throws: ``Problem``.
    init(body: JSONReader) throws(Problem) {
        try body.allow("uid", "containers")
        var containers: [Container] = []
        for entry in try body.objects("containers", limit: Self.limit) ?? [] {
            try entry.allow("name", "id")
            guard let name = try entry.text("name"), Self.isName(name) else {
                throw entry.invalid("name", "takes the name of a container: small letters, digits and hyphens")
            }
            guard let id = try entry.text("id", limit: 100), let container = Container(name: name, id: id) else {
                throw entry.invalid("id", "takes 64 hexadecimal digits, after containerd:// or the like")
            }
            guard !containers.contains(where: { $0.digits == container.digits }) else {
                throw entry.invalid("id", "is there twice")
            }
            containers.append(container)
        }
        guard let uid = try body.text("uid"), let pod = PodReference(uid: uid, containers: containers) else {
            throw body.invalid("uid", "takes a pod's uid: a UUID, or 32 hexadecimal digits, in small letters")
        }
        self = pod
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "-")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
    }
}
