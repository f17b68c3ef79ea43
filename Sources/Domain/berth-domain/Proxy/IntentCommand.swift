import ArgumentParser
import Domain
import DomainView
import Redis
import Terminal

/// `proxy intent`.
struct IntentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "intent",
        abstract: "Submit an intent to the domain.",
        subcommands: [Migrate.self, Cordon.self, Uncordon.self, Drain.self])

    /// The options for waiting.
    struct Options: ParsableArguments {
        @Flag(help: "Wait until the domain has carried it out or declined it (not in proxy_cli).")
        var wait = false
        @Option(help: ArgumentHelp("How long to wait.", valueName: "seconds"))
        var timeout = 30.0

        func validate() throws {
            guard timeout > 0, timeout <= 86_400 else {
                throw ValidationError("--timeout: expected a number of seconds above 0 and at most 86400")
            }
        }

        func send(_ request: IntentRequest, _ connection: RedisConnection) async throws {
            do {
                let queue = IntentQueue(connection)
                try queue.send(request)
                guard wait else { return }
                let outcome = try await outcome(of: request, queue)
                if outcome.status == .declined { throw fail("declined: \(outcome.reason)", Status.refused) }
                try ProxyOutput.write("done\n")
            } catch let error as RedisError { throw fail("\(error)", Status.noAddress) }
        }

        /// Waits until an intent is finished, and returns its outcome.
        func outcome(of request: IntentRequest, _ queue: IntentQueue) async throws -> IntentOutcome {
            let clock = ContinuousClock()
            let end = clock.now + .seconds(timeout)
            var isTaken = false
            while true {
                switch try queue.outcome(of: request) {
                case let outcome? where outcome.status != .taken: return outcome
                case nil: break
                case _?: isTaken = true
                }
                guard clock.now < end else {
                    throw fail(
                        isTaken
                            ? "not finished within \(timeout) s: the domain is still working on it"
                            : "not taken within \(timeout) s: it waits for an orchestrator that uses this Redis",
                        Status.running)
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    struct Migrate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move a function or resource to the first of these nodes that can take it.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var intent: Options
        @Argument(help: "The logical id of the function or resource.")
        var instance: String
        @Argument(
            help: ArgumentHelp(
                "The node, by UUID or printed name. Of several, the first that can take the function is chosen and the "
                    + "others are ignored, even if its Start fails. For a resource only the first is considered."))
        var node: [String]

        func run() async throws {
            let connection = try options.connect()
            let view = try options.read([.instances, .nodes, .status], DomainReader(connection))
            let request = try looking { () throws(LookupError) in
                var nodes: [NodeID] = []
                for name in node { nodes.append(try view.node(called: name)) }
                return IntentRequest.migrate(try view.instance(instance).id, to: nodes)
            }
            try await intent.send(request, connection)
        }
    }

    struct Cordon: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop giving a node new instances; existing ones stay.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var intent: Options
        @Argument(help: "The node, by UUID or printed name.")
        var node: String

        func run() async throws { try await IntentCommand.cordon(node, true, options, intent) }
    }

    struct Uncordon: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Allow new instances on a node again.",
            discussion: "A node that is not in the domain any more is given by its UUID; its outcome is waited for.")
        @OptionGroup var options: ProxyOptions
        @OptionGroup var intent: Options
        @Argument(help: "The node, by UUID or printed name.")
        var node: String

        func run() async throws {
            guard let id = NodeID(node) else { return try await IntentCommand.cordon(node, false, options, intent) }
            let connection = try options.connect()
            let reader = DomainReader(connection)
            let view = try options.read([.name, .nodes, .status], reader)
            do {
                guard !view.knownNodes.contains(id), try reader.isServed(view) else {
                    return try await IntentCommand.cordon(node, false, options, intent)
                }
                let queue = IntentQueue(connection)
                try queue.send(.cordon(id, false))
                let outcome = try await intent.outcome(of: .cordon(id, false), queue)
                if outcome.status == .declined {
                    throw fail("there is no node \(id) in the domain, and none was cordoned", Status.refused)
                }
            } catch let error as RedisError { throw fail("\(error)", Status.noAddress) }
            try ProxyOutput.write("done: \(id) is not in the domain, and is cordoned no more\n")
        }
    }

    private static func cordon(
        _ name: String, _ isCordoned: Bool, _ options: ProxyOptions, _ intent: Options
    ) async throws {
        let connection = try options.connect()
        let view = try options.read([.nodes, .status], DomainReader(connection))
        let node = try looking { () throws(LookupError) in try view.node(called: name) }
        try await intent.send(.cordon(node, isCordoned), connection)
    }
}
