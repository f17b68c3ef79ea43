import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import WireJSON

/// Asks a scheduler's extender.
struct ExtenderClient: Sendable {
    private let address: String
    private let http: HTTPClient

    init(_ address: String, certificates: String) throws {
        self.address = address
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .file("\(certificates)/ca.pem")
        tls.certificateChain = try NIOSSLCertificate.fromPEMFile("\(certificates)/client.pem").map { .certificate($0) }
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: "\(certificates)/client.key", format: .pem))
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .init(tlsConfiguration: tls))
    }

    /// The answer to a question; throws where there is none.
    func ask(_ verb: String, _ question: JSONValue) async throws -> JSONValue {
        var request = HTTPClientRequest(url: "\(address)/\(verb)")
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: question.bytes))
        let answer = try await http.execute(request, timeout: .seconds(10))
        let body = try await answer.body.collect(upTo: 64 << 20)
        guard answer.status == .ok else { throw DemoFailure("the extender says \(answer.status.code)") }
        return try JSONValue(Array(body.readableBytesView))
    }
}
