import CLinux
import Glibc
import Synchronization

/// Where log and audit lines go: a descriptor or a file, one `write(2)` a line, never waiting for a slow
/// reader of a pipe or socket; a regular file on a disk that hangs may block.
///
/// Lines that the descriptor does not take at once are buffered, up to ``backlogLimit`` bytes, and written before the
/// next one; beyond that they are dropped, counted, and the count is written as soon as there is room. A failed write is
/// reported to `onFailure`, once until a write succeeds again.
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

        init(fd: Int32) {
            self.fd = fd
            kind = clinux_kind_of(fd)
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
        }
    }

    /// Writes `line` and a line end.
    package func write(_ line: [UInt8]) {
        let failure: String? = state.withLock { state in
            if state.backlog.count + line.count < Self.backlogLimit {
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
                state.dropped += state.backlog.count { $0 == 0x0A }
                state.backlog.removeAll(keepingCapacity: true)
                defer { state.hasFailed = true }
                return state.hasFailed ? nil : error.description
            }
            state.hasFailed = false
            if written == 0 { return nil }
            state.backlog.removeFirst(written)
            if state.backlog.isEmpty, state.dropped > 0 {
                state.backlog += Array("{\"dropped_lines\":\(state.dropped)}\n".utf8)
                state.dropped = 0
            }
        }
        return nil
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let fd = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0o640)
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
