import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// The library without a network, in a time that passes only where the test says so.
@Suite struct VirtualTimeTests {
    /// A server in memory: one node, and watches that say what the test says.
    private final class Memory: Transport {
        private struct State {
            var watches: [AsyncThrowingStream<[UInt8], any Error>.Continuation] = []
            var targets: [String] = []
        }

        private let state = Mutex(State())
        var targets: [String] { state.withLock { $0.targets } }

        func send(_ request: TransportRequest, within limit: Duration) async throws(KubernetesError) -> TransportAnswer
        {
            state.withLock { state in
                state.targets.append(request.target)
                let (body, continuation) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
                if request.target.contains("watch=true") {
                    state.watches.append(continuation)
                } else {
                    let text =
                        #"{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"a","resourceVersion":"4"}}]}"#
                    continuation.yield(Array(text.utf8))
                    continuation.finish()
                }
                return TransportAnswer(status: 200, body: body)
            }
        }

        func close() async {}

        func say(_ line: String) { state.withLock { _ = $0.watches.last?.yield(Array("\(line)\n".utf8)) } }
    }

    @Test("a watch that is not ended lives as long as it says something within some minutes; bookmarks are enough")
    func silence() async throws {
        let system = ManualSystem()
        let memory = Memory()
        let address = try #require(ServerAddress("http://memory"))
        let client = ClusterClient(
            ClientConfiguration(server: address), transport: memory, system: system.access)
        let informer = Informer(client.resources(Node.self))
        let running = Task { await informer.run() }
        #expect(await informer.waitUntilSynced())
        // The list, then the watch, whose watchdog sleeps.
        #expect(try await eventually { memory.targets.count == 2 && system.sleepers == 1 })
        for version in 6..<16 {
            memory.say(#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"\#(version)"}}}"#)
            memory.say(
                #"{"type":"ADDED","object":{"metadata":{"name":"n\#(version)","resourceVersion":"\#(version)"}}}"#)
            #expect(try await eventually { informer.count == version - 4 })
            system.advance(by: .seconds(200))
            #expect(try await eventually { system.sleepers == 1 })
        }
        #expect(memory.targets.count == 2)
        system.advance(by: .seconds(10))
        // Dropped; after a moment's back-off it goes on from the last version.
        #expect(try await eventually { system.sleepers == 1 })
        system.advance(by: .seconds(1))
        #expect(try await eventually { memory.targets.count == 3 })
        #expect(memory.targets.last?.contains("resourceVersion=15&") == true && informer.count == 11)
        running.cancel()
        await running.value
    }
}
