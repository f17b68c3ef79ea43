import HTTPTypes
import NIOCore
import WireJSON

/// What is sent back.
struct APIAnswer: Sendable {
    /// The status.
    let status: HTTPResponse.Status
    /// The header fields.
    var fields: HTTPFields
    /// The body.
    let body: ByteBuffer
    /// Whether the connection ends with it.
    var closes = false

    /// An answer of a content type.
    init(_ status: HTTPResponse.Status = .ok, _ contentType: String, _ body: ByteBuffer, _ more: HTTPFields = [:]) {
        self.status = status
        self.body = body
        fields = [.contentType: contentType, .contentLength: "\(body.readableBytes)", .cacheControl: "no-store"]
        fields.append(contentsOf: more)
    }

    /// JSON.
    init(_ status: HTTPResponse.Status = .ok, json: [UInt8], _ more: HTTPFields = [:]) {
        self.init(status, "application/json", ByteBuffer(bytes: json), more)
    }

    /// One line of text.
    init(_ status: HTTPResponse.Status = .ok, line: String) {
        self.init(status, "text/plain; charset=utf-8", ByteBuffer(string: line + "\n"))
    }

    /// A problem.
    init(_ problem: Problem) {
        self.init(problem.code.status, Problem.contentType, ByteBuffer(bytes: problem.json), problem.fields)
    }

    /// The resource is as the client has it already.
    static func notModified(_ entityTag: String) -> APIAnswer {
        var answer = APIAnswer(.notModified, "application/json", ByteBuffer())
        answer.fields = [.eTag: entityTag, .cacheControl: "no-store"]
        return answer
    }
}
