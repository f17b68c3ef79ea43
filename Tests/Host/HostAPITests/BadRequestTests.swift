import Glibc
import Host
import HostAPI
import Ledger
import TestSupport
import Testing
import WireJSON

/// What a client can do wrong, each with its own clear answer.
@Suite struct BadRequestTests {
    @Test("every wrong body has its status, its code and the member that is wrong")
    func bodies() async throws {
        let cases: [(body: String, status: Int, code: String, member: String?)] = [
            ("", 400, "malformed_json", nil), ("{", 400, "malformed_json", nil), ("[]", 422, "invalid_member", nil),
            ("{}", 422, "invalid_member", "cpus"),
            (#"{"cpu":{"count":1}}"#, 422, "unknown_member", "cpu"),
            (#"{"cpus":{"count":1,"numa":0}}"#, 422, "unknown_member", "cpus.numa"),
            (#"{"cpus":{"count":1},"cpus":{"count":2}}"#, 422, "invalid_member", "cpus"),
            (#"{"cpus":{"count":0}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":-1}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":1.5}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":99999999999999999999}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":"1"}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":null}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"percent":101}}"#, 422, "invalid_member", "cpus.percent"),
            (#"{"cpus":{"list":"4-2"}}"#, 422, "invalid_member", "cpus.list"),
            (#"{"cpus":{"list":""}}"#, 422, "invalid_member", "cpus.list"),
            (#"{"cpus":{}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"count":1,"cores":1}}"#, 422, "invalid_member", "cpus.count"),
            (#"{"cpus":{"none":true}}"#, 422, "unknown_member", "cpus.none"),
            (#"{"cpus":{"count":1,"shared":true,"level":"core"}}"#, 422, "invalid_member", "cpus.shared"),
            (#"{"cpus":{"count":1,"shared":true,"explicit":true}}"#, 422, "invalid_member", "cpus.explicit"),
            (#"{"cpus":{"count":1,"smt":"half"}}"#, 422, "invalid_member", "cpus.smt"),
            (#"{"cpus":{"count":1,"nodes":[]}}"#, 422, "invalid_member", "cpus.nodes"),
            (#"{"cpus":{"count":1,"nodes":[0,0]}}"#, 422, "invalid_member", "cpus.nodes"),
            (#"{"cpus":[]}"#, 422, "invalid_member", "cpus"), (#"{"memory_nodes":[]}"#, 422, "invalid_member", "cpus"),
            (#"{"huge_pages":[{"node":0}]}"#, 422, "invalid_member", "huge_pages[0].node"),
            (
                #"{"huge_pages":[{"node":0,"size_kb":2048,"count":1},{"node":0,"size_kb":2048,"count":2}]}"#, 422,
                "invalid_member", "huge_pages[1].node"
            ),
            (#"{"cpus":{"count":1},"lease":{}}"#, 422, "invalid_member", "lease.forever"),
            (#"{"cpus":{"count":1},"lease":{"seconds":1,"until":2}}"#, 422, "invalid_member", "lease.forever"),
            (#"{"cpus":{"count":1},"lease":{"seconds":9223372036854775807}}"#, 422, "invalid_member", "lease.seconds"),
            (#"{"cpus":{"count":1},"lease":{"process":0}}"#, 422, "invalid_member", "lease.process"),
            (#"{"cpus":{"count":1},"lease":{"process":2147483647}}"#, 409, "no_process", "lease.process"),
            (#"{"cpus":{"count":1},"enforcement":{"minimum":"iron"}}"#, 422, "invalid_member", "enforcement.minimum"),
            (#"{"cpus":{"count":1},"enforcement":{}}"#, 409, "no_enforcement", nil),
            (String(repeating: "[", count: 1_000), 400, "malformed_json", nil),
        ]
        try await TestAPI.serving { api in
            for (body, status, code, member) in cases {
                let reply = try api.put("run/a", body)
                #expect(reply.status == status && reply.code == code, "\(body): \(reply.text)")
                #expect(reply["member"]?.string == member, "\(body): \(reply.text)")
                #expect(reply["status"]?.integer == status && reply["title"]?.string?.isEmpty == false)
            }
            #expect(api.host.ledger.count == 0)
        }
    }

    @Test("every wrong path, query, method and header field has its status and code")
    func heads() async throws {
        let cases: [(method: String, target: String, fields: [String: String], status: Int, code: String)] = [
            ("GET", "/", [:], 404, "not_found"), ("GET", "/v2", [:], 404, "not_found"),
            ("GET", "/v1/", [:], 404, "not_found"), ("GET", "/v1/claims/vm/a", [:], 404, "not_found"),
            ("GET", "/v1/claims/run/%zz", [:], 400, "malformed_path"),
            ("GET", "/v1/claims/run/%ff", [:], 400, "malformed_path"),
            ("GET", "/v1/claims?limit=0", [:], 400, "malformed_query"),
            ("GET", "/v1/claims?limit=x", [:], 400, "malformed_query"),
            ("GET", "/v1/claims?page=2", [:], 400, "malformed_query"),
            ("GET", "/v1/claims?limit=1&limit=2", [:], 400, "malformed_query"),
            ("GET", "/v1/claims?after=x", [:], 400, "malformed_query"),
            ("GET", "/v1/claims?kind=vm", [:], 400, "malformed_query"),
            ("GET", "/v1/machine?x=1", [:], 400, "malformed_query"),
            ("GET", "/v1/events?after=-1", [:], 400, "malformed_query"),
            ("GET", "/v1/events?follow=maybe", [:], 400, "malformed_query"),
            ("POST", "/v1/claims", [:], 405, "method_not_allowed"),
            ("TRACE", "/v1", [:], 405, "method_not_allowed"),
            ("GET", "/v1/machine", ["Accept": "text/html"], 406, "not_acceptable"),
            ("GET", "/v1/machine", ["Accept": "application/json;q=0"], 406, "not_acceptable"),
            ("GET", "/v1/verification", [:], 404, "not_enforced"),
            ("GET", "/v1/\(String(repeating: "x", count: 9_000))", [:], 414, "target_too_long"),
            ("GET", "/v1/\(String(repeating: "x", count: 70_000))", [:], 431, "headers_too_large"),
            ("GET", "/v1", ["X-Long": String(repeating: "x", count: 17_000)], 431, "headers_too_large"),
        ]
        try await TestAPI.serving { api in
            for (method, target, fields, status, code) in cases {
                let reply = try api.ask(method, target, nil, fields)
                #expect(reply.status == status && reply.code == code, "\(method) \(target.prefix(40)): \(reply.text)")
            }
            #expect(try api.ask("DELETE", "/v1/claims").fields["allow"] == "GET, HEAD")
            #expect(try api.ask("GET", "/v1/claims/run/a/renew").fields["allow"] == "POST")
        }
    }

    @Test("a body needs its content type and its size; a name must be one that can be read")
    func contents() async throws {
        try await TestAPI.serving { api in
            let form = ["Content-Type": "application/x-www-form-urlencoded"]
            let wrong = try api.put("run/a", #"{"cpus":{"count":1}}"#, form)
            #expect(wrong.code == "wrong_content_type")
            let large = #"{"cpus":{"count":1},"x":"\#(String(repeating: "x", count: 70_000))"}"#
            #expect(try api.put("run/a", large).code == "body_too_large")
            for name in ["", "%0a", "a%00b", "%7f", String(repeating: "n", count: 318)] {
                #expect(try api.put("run/\(name)", #"{"cpus":{"count":1}}"#).code == "invalid_name", "\(name)")
            }
            let chunks =
                "PUT /v1/claims/run/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
                + "Transfer-Encoding: chunked\r\n\r\n"
            #expect(try api.raw("\(chunks)14\r\n{\"cpus\":{\"count\":1}}\r\n0\r\n\r\n").status == 201)
            let piece = "8000\r\n\(String(repeating: " ", count: 0x8000))\r\n"
            #expect(try api.raw("\(chunks)\(piece)\(piece)\(piece)0\r\n\r\n").code == "body_too_large")
        }
    }

    @Test("name-limit holds for new services, and for nobody else")
    func nameLimit() async throws {
        let body = #"{"cpus":{"count":1}}"#
        try await TestAPI.serving { api in
            #expect(try api.put("service/abcdef", body).status == 201)
            api.server.settings.nameLimit = 3
            for method in ["PUT", "PATCH"] {
                let refused = try api.ask(method, "/v1/claims/service/abcd", body)
                #expect(refused.status == 422 && refused.code == "invalid_name", "\(refused.text)")
                #expect(refused["detail"]?.string?.contains("name-limit") == true)
                #expect(try api.ask(method, "/v1/claims/service/abcdef", body).status == 200)
            }
            let plan = try api.ask("POST", "/v1/plan", #"{"holder":"service:abcd","cpus":{"count":1}}"#)
            #expect(plan.status == 422 && plan.code == "invalid_name", "\(plan.text)")
            #expect(try api.put("service/abc", body).status == 201)
            #expect(try api.put("run/abcd", body).status == 201)
        }
    }

    @Test("what is no HTTP is answered with 400 and the connection ends; the next one is served")
    func garbage() async throws {
        try await TestAPI.serving { api in
            for text in ["\0\0\0\0\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET  HTTP/1.1\r\n\r\n"] {
                let reply = try api.raw(text)
                #expect(reply.status == 400 && reply.code == "bad_request", "\(text.debugDescription): \(reply.text)")
            }
            #expect(try api.ask("GET", "/healthz").body == "ok\n")
        }
    }

    @Test(
        "a request that is cut off is not carried out, and is answered with 400",
        arguments: [
            ("PUT", "Content-Length: 100", #"{"cpus":{"count":1}}"#), ("DELETE", "Content-Length: 50", "x"),
            ("PUT", "Transfer-Encoding: chunked", "14\r\n{\"cpus\":{\"count\":1}}\r\n"),
            ("PUT", "Transfer-Encoding: chunked", "40\r\n{\"cpus\":{\"count\":1}}"),
            ("PUT", "Transfer-Encoding: chunked", "zz\r\n{\"cpus\":{\"count\":1}}\r\n0\r\n\r\n"),
        ])
    func cutOff(method: String, field: String, body: String) async throws {
        try await TestAPI.serving { api in
            if method == "DELETE" { try api.put("run/a", #"{"cpus":{"count":2}}"#) }
            let head =
                "\(method) /v1/claims/run/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\(field)\r\n\r\n"
            let client = try SocketClient(api.path)
            try client.send(head + body)
            client.finishSending()
            let reply = Reply(String(decoding: try client.receive(), as: UTF8.self))
            #expect(reply.status == 400 && reply.code == "bad_request", "\(reply.text)")
            #expect(try api.ask("GET", "/v1/claims/run/a").cpus == (method == "DELETE" ? "1-2" : nil))
        }
    }

    @Test("what follows a whole request does not keep it from being answered")
    func garbageBehind() async throws {
        try await TestAPI.serving { api in
            let body = #"{"cpus":{"count":1}}"#
            let text = try api.raw(
                "PUT /v1/claims/run/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)garbage\r\n\r\n"
            ).text
            #expect(text.hasPrefix("HTTP/1.1 201 ") && text.contains("HTTP/1.1 400 "), "\(text)")
        }
    }

    @Test("a request of HTTP/1.1 has one Host field (RFC 9112, section 3.2)")
    func hostFields() async throws {
        try await TestAPI.serving { api in
            for fields in ["", "Host: a\r\nHost: b\r\n"] {
                let reply = try api.raw("GET /healthz HTTP/1.1\r\n\(fields)\r\n")
                #expect(reply.status == 400 && reply.code == "bad_request", "\(reply.text)")
                #expect(reply["detail"]?.string?.contains("Host") == true)
            }
            #expect(try api.raw("GET /healthz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n").status == 200)
        }
    }

    @Test("a connection of HTTP/1.0 ends after the answer, unless the client wants to keep it")
    func oldVersion() async throws {
        try await TestAPI.serving { api in
            let reply = try await blocking { try api.raw("GET /healthz HTTP/1.0\r\n\r\n") }
            #expect(reply.status == 200 && reply.body == "ok\n" && reply.fields["connection"] == "close")
            let kept = try Connection(api.path)
            for count in 1...2 {
                try kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                _ = try await kept.text(until: "ok\n", times: count)
            }
        }
    }

    @Test("a request that does not come to its end is answered with 408, a head that never begins too")
    func slow() async throws {
        try await TestAPI.serving(settings: { $0.readTimeout = 1 }) { api in
            let head =
                "PUT /v1/claims/run/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            for text in [head, "GET /v1 HT", ""] {
                let reply = try await blocking { try api.raw(text) }
                #expect(reply.status == 408 && reply.code == "request_timeout", "\(reply.text)")
            }
        }
    }

    @Test("requests that are sent together are answered in their order")
    func pipelined() async throws {
        try await TestAPI.serving { api in
            let text = try api.raw(
                "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/pools HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ).text
            #expect(text.contains("ok\n") && text.contains("\"pools\""))
            let one = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n"
            #expect(try api.raw(one + one + one).text.components(of: "HTTP/1.1 200") == 1)
            let head = try api.ask("HEAD", "/v1/claims")
            #expect(head.status == 200 && head.body.isEmpty && head.fields["content-length"] == "25")
        }
    }
}
