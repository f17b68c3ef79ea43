import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Service
import Synchronization

/// Sets connections up: who it is, whether it may be, within which limits.
struct APIConnections: ServerChildChannel {
    /// A connection and who is at its other end.
    struct Value: ServerChildChannelValue {
        let http: HTTP1Channel.Value
        /// Whether it may be; nil where its certificate says so.
        let admission: Result<APIPeer, Problem>?
        let whole: WholeRequests
        var channel: any Channel { http.channel }
    }

    let responder: APIResponder
    let counts: ConnectionCounts
    let open: OpenConnections
    let settings: @Sendable () -> APISettings
    let denied: @Sendable (PeerCredentials, String) -> Void
    /// What protects the connections; nil where the kernel says who connects.
    let tls: APITLS?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let settings = settings()
        let number = open.add(channel)
        // Some more are told why; a flood is not.
        guard number <= settings.connections + 64 else {
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
        }
        let admission: Result<APIPeer, Problem>?
        if let tls {
            guard number <= settings.connections, (try? tls.protect(channel)) != nil else {
                channel.close(promise: nil)
                return channel.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
            }
            admission = nil
        } else {
            admission = admit(channel, settings, isWithin: number <= settings.connections)
        }
        let whole = WholeRequests()
        return HTTP1Channel(responder: { _, _, _ in }, configuration: configuration(settings, whole))
            .setup(channel: channel, logger: logger).map { Value(http: $0, admission: admission, whole: whole) }
    }

    func handle(value: Value, logger: Logger) async {
        let (responder, known, settings, whole) = (responder, value.admission, settings, value.whole)
        let number = Atomic(0)
        let channel = HTTP1Channel { request, writer, channel in
            let number = number.add(1, ordering: .relaxed).newValue
            var admission = known
            if admission == nil { admission = await APITLS.peer(of: channel, cpuLimit: settings().cpusPerUID) }
            guard let admission else { return }
            try await responder.respond(request, writer, channel, admission) { whole.includes(number) }
        }
        await channel.handle(value: value.http, logger: logger)
    }

    private func configuration(_ settings: APISettings, _ whole: WholeRequests) -> HTTP1Channel.Configuration {
        HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionGuard(settings, whole)],
            idleTimeout: .seconds(Int64(settings.idleTimeout)),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: APISettings.headLimit, maxHeaderListSize: APISettings.headLimit,
                maxHeaderFieldCount: APISettings.fieldLimit))
    }

    /// Asks the kernel who has connected, and the policy whether it may.
    private func admit(_ channel: any Channel, _ settings: APISettings, isWithin: Bool) -> Result<APIPeer, Problem> {
        let found = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable {
            (descriptor: NIOBSDSocket.Handle) in
            try PeerCredentials(descriptor: descriptor)
        }
        guard let credentials = found else {
            return .failure(Problem(.forbidden, "The kernel does not say who has connected"))
        }
        func refuse(_ problem: Problem) -> Result<APIPeer, Problem> {
            denied(credentials, problem.detail)
            return .failure(problem)
        }
        let counts = counts
        let isBelow = counts.enter(credentials.uid, limit: settings.connectionsPerUID)
        channel.closeFuture.whenComplete { _ in counts.leave(credentials.uid) }
        guard isBelow else {
            return refuse(
                Problem(
                    .tooManyConnections,
                    "Too many connections of uid \(credentials.uid): the limit is \(settings.connectionsPerUID)"))
        }
        guard isWithin else {
            return refuse(Problem(.tooManyConnections, "Too many connections: the limit is \(settings.connections)"))
        }
        guard let role = settings.access.role(of: credentials) else {
            return refuse(
                Problem(
                    .forbidden,
                    "uid \(credentials.uid) may not use this socket: it is in neither the access nor the admin group"))
        }
        return .success(
            APIPeer(
                credentials: credentials, role: role, since: APIPeer.ticks(), cpuLimit: settings.cpusPerUID))
    }
}
