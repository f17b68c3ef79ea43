import HTTPTypes
import NIOCore

/// The paths that are served.
enum StatusPath: String, CaseIterable, Sendable {
    /// The HTML page.
    case page = "/"
    /// The same as JSON.
    case json = "/status.json"
    /// Metrics for Prometheus.
    case metrics = "/metrics"
    /// The health check.
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
