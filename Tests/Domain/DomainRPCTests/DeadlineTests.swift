import Domain
import DomainRPC
import DomainWire
import GRPCCore
import SwiftProtobuf
import Synchronization
import Testing

/// The deadline sent with a call.
@Suite struct DeadlineTests {
    @Test("a call carries its deadline to the node")
    func header() async throws {
        let management = ListeningManagement()
        let listener = try Listener(ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 0))
        let url = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: listener.port)
        let server = RunningServer(listener, tls: nil, messageLimit: 1 << 20, services: [management])
        let agent = try NodeAgent(node: NodeID(high: 1, low: 1), url: url)
        #expect(await agent.call(.reset, within: .seconds(20)) == .done)
        #expect(await agent.call(.reset, within: .seconds(31_536_000)) == .done)
        #expect(management.heard.value.withLock { $0 } == ["20000m", "99999999m"])
        agent.close()
        await server.stop(within: .milliseconds(100))
    }
}

/// Records the deadlines of requests.
private struct ListeningManagement: EdgelessApi_NodeManagement.ServiceProtocol {
    final class Heard: Sendable { let value = Mutex<[String]>([]) }

    let heard = Heard()

    func reset(
        request: ServerRequest<Google_Protobuf_Empty>, context: ServerContext
    ) async throws -> ServerResponse<Google_Protobuf_Empty> {
        let texts = request.metadata[stringValues: "grpc-timeout"].map { String($0) }
        heard.value.withLock { $0 += texts }
        return ServerResponse(message: Google_Protobuf_Empty())
    }

    func updatePeers(
        request: ServerRequest<EdgelessApi_UpdatePeersRequest>, context: ServerContext
    ) async throws -> ServerResponse<Google_Protobuf_Empty> {
        ServerResponse(message: Google_Protobuf_Empty())
    }
}
