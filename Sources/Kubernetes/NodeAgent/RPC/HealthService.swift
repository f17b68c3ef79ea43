import GRPCCore
import NodeWire
import SwiftProtobuf

/// The service `grpc.health.v1.Health`: SERVING while the daemon of the machine answers and accepts changes.
struct HealthService: Grpc_Health_V1_Health.SimpleServiceProtocol {
    typealias Request = Grpc_Health_V1_HealthCheckRequest
    typealias Response = Grpc_Health_V1_HealthCheckResponse

    let host: any NodeHost
    /// How often it is looked for somebody who watches.
    var interval = Duration.seconds(5)

    private static let services: Set = ["", "CPUPinning", "Topology", "grpc.health.v1.Health"]

    func check(request: Request, context: ServerContext) async throws -> Response {
        guard Self.services.contains(request.service) else {
            throw RPCError(code: .notFound, message: "unknown service")
        }
        return await status
    }

    func watch(request: Request, response: RPCWriter<Response>, context: ServerContext) async throws {
        var last: Response?
        while !context.cancellation.isCancelled, !Task.isCancelled {
            let isKnown = Self.services.contains(request.service)
            let status = isKnown ? await status : .with { $0.status = .serviceUnknown }
            if status != last { try await response.write(status) }
            last = status
            try await Task.sleep(for: interval)
        }
    }

    private var status: Response {
        get async {
            var isServing = false
            do { isServing = try await host.refusal() == nil } catch {}
            return .with { [isServing] in $0.status = isServing ? .serving : .notServing }
        }
    }
}
