import ArgumentParser
import DomainRPC
import DomainWire
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf

/// The floor: a bare gRPC server that forwards each call to a second one, over one connection, and keeps nothing.
struct Relay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves as the floor: forwards each call to a second server.")

    @Option(help: "The port to listen at.") var port: Int
    @Option(help: "The port of the second server.") var to: Int

    func run() async throws {
        try await Port.wait(for: to)
        let second = try BareClient(port: to)
        let server = GRPCServer(
            transport: .http2NIOPosix(
                address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext),
            services: [RelayedFunctions(second: second)])
        try await server.serve()
    }
}

private struct RelayedFunctions: EdgelessApi_FunctionInstance.SimpleServiceProtocol {
    let second: BareClient

    func start(
        request: EdgelessApi_SpawnFunctionRequest, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        try await second.functions.start(request)
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await second.functions.stop(request)
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await second.functions.patch(request)
    }
}
