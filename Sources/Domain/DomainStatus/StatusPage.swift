import Domain
import DomainRuntime

/// A report as a self-contained HTML page.
package enum StatusPage {
    /// Allows nothing but the page's own style.
    package static let contentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    /// The maximum number of nodes and instances on the page; `/status.json` lists all.
    static let rowLimit = 1_000

    /// The page, HTML in UTF-8.
    package static func text(_ report: StatusReport) -> String {
        var html = HTMLWriter()
        html.raw(head)
        html.element("title", "Domain \(report.domainID)")
        html.raw("</head><body>")
        html.element("h1", "Domain \(report.domainID)")
        summary(report, &html)
        nodes(report.nodes, &html)
        instances(report.instances, &html)
        html.raw("<p><a href=\"status.json\">The same as JSON</a>, <a href=\"metrics\">metrics</a></p></body></html>\n")
        return html.text
    }

    private static let head: StaticString = """
        <!DOCTYPE html><html lang="en"><head><meta charset="utf-8">\
        <meta name="viewport" content="width=device-width, initial-scale=1"><style>\
        :root{color-scheme:light dark}body{font:14px/1.4 system-ui,sans-serif;margin:2em}\
        table{border-collapse:collapse}th,td{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #8884}\
        .problem{font-weight:bold;color:#c30}td{overflow-wrap:anywhere}</style>
        """

    private static func summary(_ report: StatusReport, _ html: inout HTMLWriter) {
        if let failure = report.snapshot.failure {
            html.element("p", "The state cannot be stored, and changes are refused: \(failure)", "problem")
        }
        if let problem = report.redis?.problem {
            html.element("p", "Redis: not used, because its address cannot be used: \(problem)", "problem")
        } else if let redis = report.redis {
            let since = redis.lastSync.map { "\(max(0, report.time - $0) / 1000) s ago" } ?? "never"
            let state = redis.isConnected ? "connected" : "not connected"
            html.element("p", "Redis: \(state), last up to date: \(since)", redis.isConnected ? nil : "problem")
        } else {
            html.element("p", "Redis: not used")
        }
        let left = report.metrics.remaining.filter { $0.count > 0 }
        html.element("h2", "Remaining work")
        guard !left.isEmpty else { return html.element("p", "Nothing.") }
        html.table(["Work", "Count"], left) { [$0.name.withSpaces, "\($0.count)"] }
    }

    private static func nodes(_ nodes: [StatusReport.Node], _ html: inout HTMLWriter) {
        html.element("h2", "Nodes (\(nodes.count))")
        html.table(
            ["Node", "Host", "Agent", "CPUs", "Runtimes", "Ready", "Cordoned", "Instances"], nodes, limit: rowLimit
        ) { node in
            [
                "\(node.id)", node.hostname, node.description.agentURL, "\(node.description.capabilities.cpus)",
                node.description.capabilities.runtimes.joined(separator: " "), node.isReady ? "yes" : "no",
                node.isCordoned ? "yes" : "no", "\(node.instances)",
            ]
        }
    }

    private static func instances(_ instances: [InstanceRecord], _ html: inout HTMLWriter) {
        html.element("h2", "Instances (\(instances.count))")
        html.table(["Instance", "Kind", "Class", "Workflow", "Node"], instances, limit: rowLimit) { instance in
            [
                "\(instance.id)", instance.specification.kind.rawValue, instance.specification.className,
                instance.specification.workflowID, instance.physical.map { "\($0.node)" } ?? "waiting",
            ]
        }
    }
}

extension String {
    fileprivate var withSpaces: String { String(map { $0 == "_" ? " " : $0 }) }
}
