import ArgumentParser
import Dispatch
import Domain
import DomainView
import Redis
import Service
import Terminal

extension IntentCommand {
    /// `proxy intent drain`.
    struct Drain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Cordon a node, and move all that it runs to other nodes (not in proxy_cli).",
            discussion: """
                Moves a bounded number of instances at a time and prints `moved N, left N` meanwhile. An instance that one \
                node refuses is tried on the others. What no other node takes stays, and is reported with the reason; the \
                exit status is then 1. The node stays cordoned.
                """)
        @OptionGroup var options: ProxyOptions
        @Option(help: ArgumentHelp("How many instances move at a time.", valueName: "number"))
        var atOnce = 64
        @Option(help: ArgumentHelp("How long each of them may take.", valueName: "seconds"))
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
            let parts: Set<DomainPart> = [.instances, .nodes, .providers, .status]
            let view = try options.read(parts, reader)
            let id = try looking { () throws(LookupError) in try view.node(called: node) }
            do {
                try await cordon(id, queue)
                var drain = NodeDrain(of: id, atOnce: atOnce, timeout: timeout)
                // Once more after each time: others may have arrived.
                while drain.read(try reader.read(parts)) { try await work(&drain, reader, queue) }
                try end(drain)
            } catch let error as RedisError { throw fail("\(error)", Status.noAddress) }
        }

        private func cordon(_ id: NodeID, _ queue: IntentQueue) async throws {
            let request = IntentRequest.cordon(id, true)
            try queue.send(request)
            let end = Self.now + timeout
            while true {
                if let outcome = try queue.outcome(of: request), outcome.status != .taken {
                    if outcome.status == .done { return }
                    throw fail("declined: \(outcome.reason)", Status.refused)
                }
                guard Self.now < end else {
                    throw fail("\(request.key) is not finished within \(timeout) s", Status.running)
                }
                try await Task.sleep(for: .milliseconds(5))
            }
        }

        /// Moves the known instances.
        private func work(_ drain: inout NodeDrain, _ reader: DomainReader, _ queue: IntentQueue) async throws {
            var shown = (at: Self.now, left: drain.left, remainders: Set(drain.remainders.keys))
            while !drain.isIdle {
                try queue.send(drain.next(at: Self.now))
                let left = drain.left
                try look(&drain, reader, queue)
                for (id, remainder) in drain.remainders where shown.remainders.insert(id).inserted {
                    printError(Printable.text("\(id) \(remainder)"))
                }
                if shown.left - drain.left >= atOnce || drain.isIdle
                    || Self.now - shown.at >= 1 && drain.left < shown.left
                {
                    try ProxyOutput.write("moved \(drain.moved), left \(drain.left)\n")
                    (shown.at, shown.left) = (Self.now, drain.left)
                }
                if drain.isStalled(at: Self.now) {
                    throw fail("no intent is finished within \(timeout) s: is the orchestrator there?", Status.running)
                }
                if drain.left == left { try await Task.sleep(for: .milliseconds(5)) }
            }
        }

        /// Looks which intents are finished, and where their instances run.
        private func look(_ drain: inout NodeDrain, _ reader: DomainReader, _ queue: IntentQueue) throws {
            let (submitted, settling) = drain.observed
            let outcomes = zip(submitted, try queue.outcomes(of: submitted.compactMap { drain.intent(of: $0) }))
            var finished: [LogicalID: IntentOutcome] = [:]
            for (id, outcome) in outcomes {
                if let outcome, outcome.status != .taken {
                    finished[id] = outcome
                } else {
                    drain.take(id, nil, .nowhere, at: Self.now)
                }
            }
            // After the outcomes, which are written after the mirror.
            let ids = Array(finished.keys) + settling
            let instances = try reader.instances(ids)
            for id in ids { drain.take(id, finished[id], NodeDrain.Place(instances[id]), at: Self.now) }
        }

        private func end(_ drain: NodeDrain) throws {
            guard !drain.remainders.isEmpty else { return try ProxyOutput.write("done\n") }
            let counts = drain.remainders.values.reduce(into: (stays: 0, waits: 0, late: 0)) { counts, remainder in
                switch remainder {
                case .stays: counts.stays += 1
                case .waits: counts.waits += 1
                case .late: counts.late += 1
                }
            }
            if counts.waits > 0 { printError("instances that run on no node: \(counts.waits)") }
            if counts.late > 0 { printError("instances whose intents are not finished: \(counts.late)") }
            if counts.stays > 0 { printError("instances that stay on the node: \(counts.stays)") }
            throw counts.stays + counts.waits > 0 ? Status.refused : Status.running
        }

        /// A monotonic clock, in seconds.
        private static var now: Double { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 }
    }
}
