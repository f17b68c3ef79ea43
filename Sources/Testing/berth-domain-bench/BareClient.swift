import Domain
import DomainWire
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf

/// The library's client as it comes, over one connection to a port of the loopback.
final class BareClient: Sendable {
    typealias Client = GRPCClient<HTTP2ClientTransport.Posix>

    let client: Client
    private let connection: Task<Void, Never>

    init(port: Int) throws {
        let client = GRPCClient(
            transport: try .http2NIOPosix(
                target: .ipv4(address: "127.0.0.1", port: port), transportSecurity: .plaintext))
        self.client = client
        connection = Task { try? await client.runConnections() }
    }

    deinit { connection.cancel() }

    func close() { connection.cancel() }

    var functions: EdgelessApi_FunctionInstance.Client<HTTP2ClientTransport.Posix> {
        EdgelessApi_FunctionInstance.Client(wrapping: client)
    }

    /// Starts a function.
    ///
    /// - Returns: the id in the answer, of any kind.
    func start(_ message: EdgelessApi_SpawnFunctionRequest) async throws -> String {
        let answer = try await functions.start(message)
        guard answer.hasInstanceID else {
            throw Broken("a start was refused: \(answer.responseError.summary): \(answer.responseError.detail)")
        }
        switch answer.instanceID.instanceIDType {
        case .domainManagedInstanceID(let id): return id.instanceID
        case .instanceID(let id): return id.functionID
        case nil: throw Broken("a start was answered without an id")
        }
    }

    /// Registers a node.
    func register(_ update: NodeUpdate) async throws {
        let message = EdgelessApi_UpdateNodeRequest(update)
        let answer = try await EdgelessApi_NodeRegistration.Client(wrapping: client).updateNode(message)
        if let refusal = answer.refusal {
            throw Broken("a node was refused: \(refusal.summary): \(refusal.detail ?? "")")
        }
    }
}

/// Clients side by side, each with a connection of its own and one call at a time.
struct Clients {
    let clients: [BareClient]

    init(_ count: Int, port: Int) throws { clients = try (0..<count).map { _ in try BareClient(port: port) } }

    func close() { for client in clients { client.close() } }

    /// Has each client call again and again for some time.
    ///
    /// - Returns: the seconds that each call took.
    func call(
        for time: Double, _ body: @escaping @Sendable (BareClient) async throws -> Void
    ) async throws -> [Double] {
        let end = seconds() + time
        return try await gather { client, _ in
            var times: [Double] = []
            var begin = seconds()
            while begin < end {
                try await body(client)
                let now = seconds()
                times.append(now - begin)
                begin = now
            }
            return times
        }
    }

    /// Makes each of `count` calls once, as fast as the clients can.
    func call(_ count: Int, _ body: @escaping @Sendable (BareClient, Int) async throws -> Void) async throws {
        let width = clients.count
        _ = try await gather { client, index in
            for number in stride(from: index, to: count, by: width) { try await body(client, number) }
            return []
        }
    }

    private func gather(
        _ body: @escaping @Sendable (BareClient, Int) async throws -> [Double]
    ) async throws -> [Double] {
        try await withThrowingTaskGroup(of: [Double].self) { group in
            for (index, client) in clients.enumerated() { group.addTask { try await body(client, index) } }
            var all: [Double] = []
            for try await times in group { all += times }
            return all
        }
    }
}
