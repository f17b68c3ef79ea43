import CLinux
import Glibc
import Synchronization

/// Where log and audit lines go: a descriptor or a file, one `write(2)` a line, never waiting for a slow
/// reader of a pipe or socket; a regular file on a disk that hangs may block.
///
/// Lines that the descriptor does not take at once are buffered, up to ``backlogLimit`` bytes, and written before the
/// next one; beyond that they are dropped, counted, and the count is written as soon as there is room. A failed write is
/// reported to `onFailure`, once until a write succeeds again. Of a line that was written in part, a file is rid again; what
/// cannot be taken back ends before the next line.
package final class LineSink: Sendable {
    /// The most bytes buffered for a reader that is slow.
    package static let backlogLimit = 1 << 20

    private struct State: ~Copyable {
        var fd: Int32 {
            didSet { kind = clinux_kind_of(fd) }
        }
        private(set) var kind: clinux_kind
        var backlog: [UInt8] = []
        var dropped = 0
        var hasFailed = false
        /// How many bytes of a line are written whose end is not.
        var unfinished = 0
        /// Whether the next line must begin with a line end, because what is before it has none.
        var needsLineEnd = false

        init(fd: Int32) {
            self.fd = fd
            kind = clinux_kind_of(fd)
            needsLineEnd = LineSink.endsWithinLine(fd)
        }

        /// Takes `count` bytes off the backlog, which are written.
        mutating func wrote(_ count: Int) {
            needsLineEnd = false
            let end = backlog[..<count].lastIndex(of: 0x0A)
            unfinished = end.map { count - 1 - $0 } ?? unfinished + count
            backlog.removeFirst(count)
        }

        /// Gives up what is not written yet, and what is written of a line in part.
        mutating func giveUp() {
            dropped += backlog.count { $0 == 0x0A } - (needsLineEnd ? 1 : 0)
            backlog.removeAll(keepingCapacity: true)
            guard unfinished > 0 else { return }
            var status = stat()
            let isCut =
                kind == clinux_file && fstat(fd, &status) == 0 && status.st_size >= unfinished
                && ftruncate(fd, status.st_size - unfinished) == 0
            if !isCut { needsLineEnd = true }
            unfinished = 0
        }
    }

    private let state: Mutex<State>
    private let path: String?
    private let onFailure: @Sendable (String) -> Void

    /// Lines go to standard error.
    package static let standardError = LineSink(descriptor: 2)

    /// Lines go to a descriptor that somebody else owns.
    package init(descriptor: Int32, onFailure: @escaping @Sendable (String) -> Void = { _ in }) {
        state = Mutex(State(fd: descriptor))
        path = nil
        self.onFailure = onFailure
    }

    /// Lines are appended to the file at `path`, which is created with mode 0640.
    ///
    /// - Throws: ``SystemError`` where the file cannot be opened.
    package init(path: String, onFailure: @escaping @Sendable (String) -> Void = { _ in }) throws(SystemError) {
        state = Mutex(State(fd: try Self.open(path)))
        self.path = path
        self.onFailure = onFailure
    }

    deinit {
        if path != nil { state.withLock { _ = close($0.fd) } }
    }

    /// Opens the file anew, after somebody has moved it away; without effect on a descriptor.
    package func reopen() throws(SystemError) {
        guard let path else { return }
        let fresh = try Self.open(path)
        state.withLock { state in
            close(state.fd)
            state.fd = fresh
            state.unfinished = 0
            state.needsLineEnd = Self.endsWithinLine(fresh)
        }
    }

    /// Writes `line` and a line end.
    package func write(_ line: [UInt8]) {
        let failure: String? = state.withLock { state in
            if state.backlog.count + line.count < Self.backlogLimit {
                if state.needsLineEnd, state.backlog.isEmpty { state.backlog.append(0x0A) }
                state.backlog += line
                state.backlog.append(0x0A)
            } else {
                state.dropped += 1
            }
            return Self.flush(&state)
        }
        if let failure { onFailure(failure) }
    }

    private static func flush(_ state: inout State) -> String? {
        while !state.backlog.isEmpty {
            let written = state.backlog.withUnsafeBytes {
                clinux_write_ready(state.fd, state.kind, $0.baseAddress, $0.count)
            }
            if written < 0 {
                let error = SystemError("write the log", errno: errno)
                state.giveUp()
                defer { state.hasFailed = true }
                return state.hasFailed ? nil : error.description
            }
            state.hasFailed = false
            if written == 0 { return nil }
            state.wrote(written)
            if state.backlog.isEmpty, state.dropped > 0 {
                state.backlog += Array("{\"dropped_lines\":\(state.dropped)}\n".utf8)
                state.dropped = 0
            }
        }
        return nil
    }

    /// Whether the file has a line without its end, as a process leaves it that was killed while it wrote.
    private static func endsWithinLine(_ fd: Int32) -> Bool {
        var status = stat()
        guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return false }
        var last: UInt8 = 0x0A
        return pread(fd, &last, 1, status.st_size - 1) == 1 && last != 0x0A
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let fd = Glibc.open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
        guard fd >= 0 else { throw SystemError("open \(path)", errno: errno) }
        return fd
    }
}

/// A system call that failed: what was to be done, and why it could not be.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was to be done, e.g. `open /run/berth/lock`.
    package let action: String
    /// The number of the error.
    package let errno: Int32

    /// The failure of `action` with this error number.
    package init(_ action: String, errno: Int32) {
        self.action = action
        self.errno = errno
    }

    /// `cannot ACTION: REASON`.
    package var description: String { "cannot \(action): \(String(cString: strerror(errno)))" }
}
