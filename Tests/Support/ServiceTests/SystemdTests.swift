import Glibc
import Service
import TestSupport
import Testing

/// sd_notify(3).
@Suite struct SystemdTests {
    private func receiver(_ name: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = name.hasPrefix("@") ? [0] + name.dropFirst().utf8 : Array(name.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(result == 0)
        return descriptor
    }

    private func next(_ descriptor: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    @Test("the manager hears on a path or an abstract name; no status can add a field", arguments: [false, true])
    func messages(abstract: Bool) throws {
        let directory = try TemporaryDirectory()
        let name =
            abstract ? "@berth-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))" : "\(directory.path)/notify"
        let descriptor = try receiver(name)
        defer { close(descriptor) }
        let notifier = SystemdNotifier(environment: ["NOTIFY_SOCKET": name])
        notifier.ready(status: "all\nMAINPID=1")
        #expect(next(descriptor) == "READY=1\nSTATUS=all\\nMAINPID=1")
        notifier.reloading()
        #expect(next(descriptor)?.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") == true)
        notifier.stopping()
        #expect(next(descriptor) == "STOPPING=1")
    }

    @Test("without a manager, or with one that is gone, slow or named wrongly, nothing happens")
    func nobody() throws {
        let directory = try TemporaryDirectory()
        let slow = try receiver("\(directory.path)/slow")
        defer { close(slow) }
        // Its queue is full: the next message would wait for ever.
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let sender = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(sender) }
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                #expect(getsockname(slow, pointer, &length) == 0 && connect(sender, pointer, length) == 0)
            }
        }
        while send(sender, "x", 1, Int32(MSG_DONTWAIT)) == 1 {}
        for environment in [
            [:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "relative"], ["NOTIFY_SOCKET": "\(directory.path)/none"],
            ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 300)], ["NOTIFY_SOCKET": "@"],
            ["NOTIFY_SOCKET": "\(directory.path)/slow"],
        ] {
            SystemdNotifier(environment: environment).ready(status: "x")
        }
    }
}
