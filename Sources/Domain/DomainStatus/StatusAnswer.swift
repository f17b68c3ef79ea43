import HTTPTypes
import NIOCore

/// What is served, by its path.
enum StatusPath: String, CaseIterable, Sendable {
    /// The page for people.
    case page = "/"
    /// The same as JSON.
    case json = "/status.json"
    /// Figures for Prometheus.
    case metrics = "/metrics"
    /// Whether all is well.
    case health = "/healthz"
}

/// An answer to a request.
struct StatusAnswer: Sendable {
    let status: HTTPResponse.Status
    let body: ByteBuffer
    var fields: HTTPFields

    init(_ status: HTTPResponse.Status, _ contentType: String, _ body: ByteBuffer, _ more: HTTPFields = [:]) {
        self.status = status
        self.body = body
        fields = [
            .contentType: contentType, .contentLength: "\(body.readableBytes)", .cacheControl: "no-store",
            .xContentTypeOptions: "nosniff",
        ]
        fields.append(contentsOf: more)
    }

    /// One line of text.
    init(_ status: HTTPResponse.Status, line: String, _ more: HTTPFields = [:]) {
        self.init(status, "text/plain; charset=utf-8", ByteBuffer(string: line + "\n"), more)
    }
}
