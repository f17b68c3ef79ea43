import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOPosix
import Service

/// Takes a request off a connection and writes its answer.
struct APIResponder: Sendable {
    let service: APIService
    let events: EventStreams
    let rate: RequestRate
    let settings: @Sendable () -> APISettings

    /// Answers one request.
    ///
    /// - Parameter isWhole: whether the request has come to its end.
    func respond(
        _ request: HummingbirdCore.Request, _ writer: consuming ResponseWriter, _ channel: any Channel,
        _ admission: Result<APIPeer, Problem>, isWhole: () -> Bool
    ) async throws {
        var answer: APIAnswer
        switch await route(request, channel, admission, isWhole) {
        case .success(.stream(let stream)): return try await events.serve(stream, request, writer)
        case .success(.answer(let known)): answer = known
        case .failure(let problem):
            answer = APIAnswer(problem)
            switch problem.code {
            case .forbidden, .tooManyConnections, .bodyTooLarge: answer.closes = true
            default: break
            }
        }
        if answer.closes { answer.fields[.connection] = "close" }
        let head = HTTPResponse(status: answer.status, headerFields: answer.fields)
        let body =
            request.method == .head || answer.status == .notModified
            ? ResponseBody() : ResponseBody(byteBuffer: answer.body)
        try await writer.write(response: head, body: body)
    }

    /// What follows from a request.
    private enum Reaction {
        case answer(APIAnswer)
        case stream(EventStreams.Stream)
    }

    private func route(
        _ request: HummingbirdCore.Request, _ channel: any Channel, _ admission: Result<APIPeer, Problem>,
        _ isWhole: () -> Bool
    ) async -> Result<Reaction, Problem> {
        do throws(Problem) {
            let known = try await read(request, admission, isWhole)
            guard known.route == .events else {
                return .success(.answer(try await service.answer(known, on: channel.eventLoop)))
            }
            guard request.method != .head else {
                return .success(.answer(APIAnswer(.ok, known.route.contentType, ByteBuffer())))
            }
            return .success(.stream(try events.begin(known, channel)))
        } catch { return .failure(error) }
    }

    /// The request, checked as far as its route, header fields and the size of its body go.
    private func read(
        _ request: HummingbirdCore.Request, _ admission: Result<APIPeer, Problem>, _ isWhole: () -> Bool
    ) async throws(Problem) -> APIRequest {
        let peer = try admission.get()
        let limit = settings().requestsPerSecond
        guard rate.admits(peer.credentials.uid, at: wallClock(), limit: limit) else {
            throw Problem(.tooManyRequests, "uid \(peer.credentials.uid) may send \(limit) requests a second")
        }
        let target = try APITarget(request.head.path ?? "")
        let (route, arguments) = try APIRoute.find(request.method, target.path)
        let fields = request.headers
        try APIRequest.checkAccept(fields, route)
        if route.hasBody { try APIRequest.checkContentType(fields) }
        let tooLarge = Problem(.bodyTooLarge, "A body has at most \(APISettings.bodyLimit) bytes")
        if let length = fields[.contentLength].flatMap({ Int($0) }), length > APISettings.bodyLimit {
            throw tooLarge
        }
        var body: [UInt8] = []
        // A stream consumes its body, to learn of the end of the connection; that can be done once only.
        if route != .events {
            do { body = Array(buffer: try await request.body.collect(upTo: APISettings.bodyLimit)) } catch {
                throw error is NIOTooManyBytesError
                    ? tooLarge : Problem(.badRequest, "The body did not come to its end")
            }
            // What was cut off is not carried out, whether the route takes a body or not.
            guard isWhole() else { throw Problem(.badRequest, "The body did not come to its end") }
        }
        return APIRequest(
            route: route, arguments: arguments, target: target, fields: fields, body: body, peer: peer)
    }
}
