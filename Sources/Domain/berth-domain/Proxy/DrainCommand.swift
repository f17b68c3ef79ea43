import ArgumentParser
import Domain
import DomainView
import Redis

extension IntentCommand {
    /// `proxy intent drain`.
    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cordon a node, and move all that it runs to other nodes (not in proxy_cli).",
            discussion: """
                Moves a bounded number of instances at a time and prints `moved N, left N` after each of them. An instance \
                that no other node can take stays, and is reported with the reason; the exit status is then 1. The node \
                stays cordoned.
                """)
        @OptionGroup var options: ProxyOptions
        @Option(help: ArgumentHelp("How many instances move at a time.", valueName: "number"))
        var atOnce = 32
        @Option(help: ArgumentHelp("How long to wait for the next of them to move.", valueName: "seconds"))
        var timeout = 30.0
        @Argument(help: "The node, by UUID or printed name.")
        var node: String

        func validate() throws {
            guard (1...256).contains(atOnce) else {
                throw ValidationError("--at-once: expected a number from 1 to 256")
            }
            guard timeout > 0, timeout <= 86_400 else {
                throw ValidationError("--timeout: expected a number of seconds above 0 and at most 86400")
            }
        }

        func run() async throws {
            let connection = try options.connect()
            let (reader, queue) = (DomainReader(connection), IntentQueue(connection))
            let view = try options.read([.nodes, .status], reader)
            let id = try looking { () throws(LookupError) in try view.node(called: node) }
            if let reason = try await declined([.cordon(id, true)], queue).first?.reason {
                throw fail("declined: \(reason)", Status.refused)
            }
            var (moved, stuck) = (0, Set<LogicalID>())
            while true {
                let view = try options.read([.instances, .status], reader)
                let there = view.instances.values.filter { $0.physical.contains { $0.node == id } }.map(\.id)
                let batch = there.filter { !stuck.contains($0) }.sorted().prefix(atOnce)
                guard !batch.isEmpty else { break }
                let targets = view.status.filter { $0.key != id && $0.value.isReady && !$0.value.isCordoned }.keys
                    .sorted()
                guard !targets.isEmpty else { throw fail("no other node is ready and not cordoned", Status.refused) }
                // Each begins with another node, so that they spread.
                let requests = batch.enumerated().map { index, instance in
                    let first = (moved + index) % targets.count
                    return IntentRequest.migrate(instance, to: Array(targets[first...] + targets[..<first]))
                }
                let refusals = try await declined(requests, queue)
                for (index, reason) in refusals {
                    let instance = batch[batch.startIndex + index]
                    stuck.insert(instance)
                    printError("\(instance) stays: \(reason)")
                }
                moved += batch.count - refusals.count
                try ProxyOutput.write("moved \(moved), left \(there.count - batch.count + refusals.count)\n")
            }
            if !stuck.isEmpty { throw fail("instances that stay on the node: \(stuck.count)", Status.refused) }
            try ProxyOutput.write("done\n")
        }

        /// Submits intents and waits until all of them are finished.
        ///
        /// - Returns: the indices of those that were declined, and why.
        private func declined(
            _ requests: [IntentRequest], _ queue: IntentQueue
        ) async throws -> [(index: Int, reason: String)] {
            do {
                for request in requests { try queue.send(request) }
                var declined: [(index: Int, reason: String)] = []
                let clock = ContinuousClock()
                for (index, request) in requests.enumerated() {
                    let end = clock.now + .seconds(timeout)
                    while true {
                        let outcome = try queue.outcome(of: request)
                        if outcome?.status == .done { break }
                        if let outcome, outcome.status == .declined {
                            declined.append((index, outcome.reason))
                            break
                        }
                        guard clock.now < end else {
                            throw fail("\(request.key) is not finished within \(timeout) s", Status.running)
                        }
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
                return declined
            } catch let error as RedisError { throw fail("\(error)", Status.noAddress) }
        }
    }
}
