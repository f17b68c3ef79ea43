import Testing

@testable import Domain

/// What nodes are told of each other when many join, leave or do not answer.
@Suite struct PeerTests {
    private static let count = 40

    /// A domain whose nodes have joined together and have answered no peer update.
    private func joined() -> TestDomain {
        let test = TestDomain(nodes: 0)
        test.isHeld = { _, call in call.request.isPeerUpdate }
        for number in 0..<Self.count { test.join(number) }
        return test
    }

    /// Answers all peer updates except those of one node.
    private func answerAll(_ test: TestDomain, except silent: Int? = nil) {
        while let call = test.heldCalls.first(where: { Int($0.node.low) - 1 != silent }) { test.release(call) }
    }

    private func meshed(_ test: TestDomain) -> Int { test.domain.records.nodes.values.count(where: \.isMeshed) }

    @Test("when many nodes join, few peer updates are outstanding at each, and in the end all know each other")
    func join() {
        let test = joined()
        #expect(test.heldCalls.count <= 16 * Self.count)
        #expect(Set(test.heldCalls.map(\.node)).count == Self.count && meshed(test) == 0)
        answerAll(test)
        #expect(meshed(test) == Self.count && test.domain.pendingCalls.isEmpty)
        #expect(test.domain.peerBacklogs.isEmpty && test.domain.openPeerCalls.isEmpty)
        let heard = test.drain()
        for node in 0..<Self.count {
            let peers = heard.compactMap { one -> NodeID? in
                if one.node == node, case .addPeer(let peer, _) = one.request { peer } else { nil }
            }
            #expect(Set(peers).count == Self.count && peers.count < Self.count + 20)
        }
    }

    @Test("a node that answers no peer update delays only what it is to be told itself, and leaves without a trace")
    func silent() {
        let test = joined()
        answerAll(test, except: 3)
        let heard = test.drain()
        #expect(heard.count { $0.node == 5 && $0.request.isPeerUpdate } >= Self.count)
        #expect(heard.count { $0.node == 3 && $0.request.isPeerUpdate } <= 16)
        test.join(3, seconds: -1)
        test.pass(seconds: 1)
        answerAll(test)
        #expect(test.domain.records.nodes.count == Self.count - 1 && meshed(test) == Self.count - 1)
        #expect(test.domain.records.departed.isEmpty && test.domain.pendingCalls.isEmpty)
        #expect(test.domain.peerBacklogs.isEmpty && test.domain.openPeerCalls.isEmpty)
    }

    @Test("a peer that leaves before a node is told of it is not announced to it any more")
    func leaves() {
        let test = joined()
        test.drain()
        test.join(Self.count - 1, seconds: -1)
        test.pass(seconds: 1)
        answerAll(test)
        let gone = TestDomain.id(Self.count - 1)
        let last = test.drain().last { one in
            switch one.request {
            case .addPeer(gone, _), .removePeer(gone): one.node == 0
            default: false
            }
        }
        #expect(last?.request == .removePeer(gone))
        #expect(meshed(test) == Self.count - 1 && test.domain.records.departed.isEmpty)
    }

    @Test("errors of a node about some peers do not keep others from it")
    func errors() {
        let test = TestDomain(nodes: 0)
        test.answer = { number, call in
            guard number == 0, case .addPeer(let peer, _) = call.request, peer.low <= 30 else { return nil }
            return .failed("invalid peer")
        }
        for number in 0..<Self.count { test.join(number) }
        let known = test.drain().compactMap { one -> NodeID? in
            if one.node == 0, case .addPeer(let peer, _) = one.request { peer } else { nil }
        }
        #expect(Set(known).count == Self.count)
    }
}

extension NodeCall.Request {
    fileprivate var isPeerUpdate: Bool {
        switch self {
        case .addPeer, .removePeer: true
        case .reset, .start, .stop, .patch: false
        }
    }
}
