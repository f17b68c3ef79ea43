import WireJSON

/// The state of one connection, from the first byte to the close: a pure state machine.
///
/// Bytes, ends and deadlines go in, what to do next comes out; the ``Reactor`` does it. A client that sends slowly, reads
/// slowly, leaves early or goes on sending can only end its own connection.
struct ConnectionState: Sendable {
    /// What to do next.
    enum Step: Equatable, Sendable {
        /// Wait for input.
        case read
        /// Have this request answered and hand the reply in.
        case answer(JSONValue)
        /// Write the output.
        case write
        /// Say that nothing more will be written, and throw away what still comes for a moment.
        case finishWriting
        /// Wait for the reply.
        case wait
        /// Close.
        case close
    }

    private enum State: Equatable {
        case reading
        case answering
        case writing(lingers: Bool)
        case lingering
        case closed
    }

    /// The most bytes that are thrown away for a client that goes on sending after its reply.
    static let lingerLimit = 1 << 20

    private var state = State.reading
    private var reader = RequestReader()
    private var lingered = 0

    /// What is to be written, and how much of it has been.
    private(set) var output: [UInt8] = []
    private(set) var written = 0

    /// Whether the client has not begun to ask.
    var isSilent: Bool { state == .reading && reader.isEmpty }

    /// Takes bytes of the client.
    mutating func receive(_ bytes: ArraySlice<UInt8>) -> Step {
        switch state {
        case .reading: return act(on: reader.receive(bytes))
        case .lingering:
            lingered += bytes.count
            return lingered > Self.lingerLimit ? close() : .read
        case .answering: return .wait
        case .writing: return .write
        case .closed: return .close
        }
    }

    /// The client sends nothing more.
    mutating func endInput() -> Step {
        switch state {
        case .reading: reader.end().map { act(on: $0) } ?? close()
        case .answering: .wait
        case .writing: .write
        case .lingering, .closed: close()
        }
    }

    /// The time for the present step is over.
    ///
    /// - Parameters:
    ///   - readTimeout: how long a request may take, in seconds, for the text of the answer.
    ///   - commitTimeout: how long a change may take, in seconds, for the text of the answer.
    mutating func expire(readTimeout: Int, commitTimeout: Int) -> Step {
        switch state {
        // A client that never sent anything gets an answer too: it may be waiting for one.
        case .reading: act(on: reader.expire(seconds: readTimeout))
        case .answering:
            begin(
                EPAReply.error(
                    "The outcome of this change is unknown: the disk did not answer within \(commitTimeout) s. "
                        + "The change may still take effect; list_allocations shows whether it did"), lingers: false)
        case .writing, .lingering, .closed: close()
        }
    }

    /// Takes the reply to the request.
    mutating func reply(_ bytes: [UInt8]) -> Step {
        guard state == .answering else { return state == .closed ? .close : .wait }
        return begin(bytes, lingers: false)
    }

    /// Answers with an error although the request may not have been read to its end: the client may still be sending,
    /// and a connection closed on it would take the reply with it.
    mutating func refuse(_ text: String) -> Step {
        begin(EPAReply.error(text), lingers: true)
    }

    /// `count` more bytes of the output are written.
    mutating func wrote(_ count: Int) -> Step {
        written += count
        guard case .writing(let lingers) = state, written >= output.count else { return .write }
        output = []
        guard lingers else { return close() }
        state = .lingering
        return .finishWriting
    }

    /// The connection is broken.
    mutating func breakOff() -> Step { close() }

    private mutating func act(on step: RequestReader.Step) -> Step {
        switch step {
        case .wait: return .read
        case .reject(let text): return refuse(text)
        case .request(let value):
            state = .answering
            return .answer(value)
        }
    }

    private mutating func begin(_ bytes: [UInt8], lingers: Bool) -> Step {
        state = .writing(lingers: lingers)
        output = bytes
        written = 0
        return .write
    }

    private mutating func close() -> Step {
        state = .closed
        output = []
        return .close
    }
}
