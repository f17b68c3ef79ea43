import Domain
import Synchronization
import TestSupport
import Testing

@testable import DomainRuntime

extension RuntimeTests {
    @Test(
        "a request that changes nothing is refused with the lost changes that it rests on; a refresh of a stored node is not"
    )
    func restsOnLostChanges() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, _ in
            let id = try await runtime.start(Self.function()).get()
            let queued = { runtime.owned.withLock { $0.steps.count } }
            #expect(try await eventually { runtime.owned.withLock { $0.steps.isEmpty && !$0.isBusy } })
            store.hold()
            var lost = [Task { try await runtime.stop(id) }]
            #expect(try await eventually { store.isWaiting })
            // Once the first is done, this changes nothing.
            lost.append(Task { try await runtime.stop(id) })
            #expect(try await eventually { queued() == 1 })
            lost.append(Task { _ = try await runtime.update(Self.update(2), problem: nil) })
            #expect(try await eventually { queued() == 2 })
            lost.append(Task { _ = try await runtime.update(Self.update(2), problem: nil) })
            let known = Task { try await runtime.update(Self.update(1), problem: nil) }
            #expect(try await eventually { queued() == 4 })
            store.isFull = true
            store.release()
            for request in lost {
                await #expect(throws: DomainRuntime.Failure.self) { try await request.value }
            }
            #expect(try await known.value == nil)
            #expect(Array(store.records.instances.keys) == [id] && store.records.nodes.count == 1)
            store.isFull = false
        }
    }
}
