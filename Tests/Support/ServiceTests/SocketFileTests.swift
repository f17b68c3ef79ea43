import Glibc
import Service
import TestSupport
import Testing

/// What may be in the socket's place, before it is made and when it is removed.
@Suite struct SocketFileTests {
    private func listen(_ path: String) throws(SocketFileError) -> SocketFile {
        try SocketFile(listeningAt: path, mode: 0o600, owner: nil, group: nil)
    }

    @Test(
        "what exists at the path and is not a socket is refused and stays as it is, under the temporary name too",
        arguments: ["file", "pipe", "directory", "link to a file", "link to nothing", "link to a socket"])
    func occupied(kind: String) throws {
        let directory = try TemporaryDirectory()
        for place in ["\(directory.path)/epa.sock", "\(directory.path)/other.sock.new"] {
            let target = "\(place).target"
            switch kind {
            case "file": try TemporaryDirectory.write([1, 2], to: place)
            case "pipe": #expect(mkfifo(place, 0o600) == 0)
            case "directory": #expect(mkdir(place, 0o700) == 0)
            case "link to nothing": #expect(symlink(target, place) == 0)
            case "link to a file":
                try TemporaryDirectory.write([1, 2], to: target)
                #expect(symlink(target, place) == 0)
            default:
                close(try listen(target).descriptor)
                #expect(symlink(target, place) == 0)
            }
            var before = stat()
            #expect(lstat(place, &before) == 0)
            let names = TemporaryDirectory.names(in: directory.path)
            let path = place.hasSuffix(".new") ? String(place.dropLast(4)) : place
            let error = #expect(throws: SocketFileError.occupied(place)) { _ = try listen(path) }
            #expect(error?.description.contains("\(place): exists and is not a socket") == true)
            var after = stat()
            #expect(lstat(place, &after) == 0 && after.st_ino == before.st_ino && after.st_mode == before.st_mode)
            #expect(TemporaryDirectory.names(in: directory.path) == names)
            if kind == "file" { #expect(TemporaryDirectory.read(place) == [1, 2]) }
        }
    }

    @Test("a socket that nobody listens to is replaced")
    func stale() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/epa.sock"
        close(try listen(path).descriptor)
        let socket = try listen(path)
        defer { close(socket.descriptor) }
        #expect(SocketFile.answers(path))
        #expect(TemporaryDirectory.names(in: directory.path) == ["epa.sock"])
    }

    @Test("at the end only the own socket is removed, not what somebody put in its place", arguments: [false, true])
    func removal(isReplaced: Bool) throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/epa.sock"
        let socket = try listen(path)
        defer { close(socket.descriptor) }
        if isReplaced {
            unlink(path)
            try TemporaryDirectory.write([1, 2], to: path)
        }
        socket.remove()
        #expect(TemporaryDirectory.read(path) == (isReplaced ? [1, 2] : nil))
        #expect(TemporaryDirectory.names(in: directory.path).isEmpty != isReplaced)
    }
}
