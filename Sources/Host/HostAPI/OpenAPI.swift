import HTTPTypes
import Ledger
import WireJSON

/// The OpenAPI 3.1 document, made from the routes, the problems and the schemas.
enum OpenAPI {
    /// The document.
    static func document(version: String) -> [UInt8] {
        JSONWriter.object(capacity: 65_536) { writer in
            writer.member("openapi", "3.1.0")
            writer.name("info")
            writer.object { info in
                info.member("title", "Berth host API")
                info.member("version", version)
                info.member(
                    "description",
                    "Claims on the CPUs, memory nodes and huge pages of one machine. Served on a Unix socket; who asks is "
                        + "who the kernel says has connected.")
                info.name("license")
                info.object { $0.member("name", "Apache-2.0") }
            }
            writer.name("servers")
            writer.array { array in array.object { $0.member("url", "/") } }
            writer.name("paths")
            writer.object { paths in
                for (path, routes) in byPath {
                    paths.name(path)
                    paths.object { item in
                        for route in routes {
                            item.name(route.method.rawValue.lowercased())
                            item.object { operation(route, &$0) }
                        }
                    }
                }
            }
            writer.name("components")
            writer.object { components in
                components.name("schemas")
                components.object { schemas in
                    for (name, schema) in OpenAPISchemas.all { schemas.member(name, schema) }
                    schemas.name("Problem")
                    schemas.object(problem)
                }
            }
        }
    }

    private static var byPath: [(String, [APIRoute])] {
        var paths: [(String, [APIRoute])] = []
        for route in APIRoute.allCases {
            if let index = paths.firstIndex(where: { $0.0 == route.path }) {
                paths[index].1.append(route)
            } else {
                paths.append((route.path, [route]))
            }
        }
        return paths
    }

    private static func operation(_ route: APIRoute, _ writer: inout JSONWriter) {
        writer.member("operationId", route.rawValue)
        writer.member("summary", route.summary)
        let parameters = route.parameters
        if !parameters.isEmpty {
            writer.name("parameters")
            writer.array { array in
                for parameter in parameters {
                    array.object { entry in
                        entry.member("name", parameter.name)
                        entry.member("in", parameter.place)
                        if parameter.place == "path" { entry.member("required", true) }
                        entry.member("description", parameter.description)
                        entry.member("schema", parameter.schema)
                    }
                }
            }
        }
        if let schema = route.bodySchema {
            writer.name("requestBody")
            writer.object { body in
                body.member("required", true)
                body.name("content")
                content("application/json", schema, &body)
            }
        }
        writer.name("responses")
        writer.object { responses in
            for status in route.statuses {
                responses.name("\(status)")
                responses.object { response(route, status, &$0) }
            }
        }
    }

    private static func response(_ route: APIRoute, _ status: Int, _ writer: inout JSONWriter) {
        let text = HTTPResponse.Status(code: status).reasonPhrase
        guard status < 300 else {
            if status == 304 { return writer.member("description", "The claim is as the client has it") }
            let codes = ProblemCode.allCases.filter { $0.status.code == status }.map(\.rawValue)
            writer.member("description", "\(text): \(codes.joined(separator: ", "))")
            writer.name("content")
            let isText = route == .readiness && status == 503
            return content(isText ? "text/plain" : Problem.contentType, isText ? nil : "Problem", &writer)
        }
        writer.member("description", text)
        if route.answersClaim {
            writer.name("headers")
            writer.object { headers in
                headers.name("ETag")
                headers.object { header in
                    header.member("description", "The version of the claim, for If-Match and If-None-Match")
                    header.member("schema", OpenAPISchemas.text)
                }
            }
        }
        writer.name("content")
        content(String(route.contentType.prefix { $0 != ";" }), route.answerSchema, &writer)
    }

    private static func content(_ type: String, _ schema: String?, _ writer: inout JSONWriter) {
        writer.object { content in
            content.name(type)
            content.object { media in
                media.name("schema")
                media.object { reference in
                    if let schema {
                        reference.member("$ref", "#/components/schemas/\(schema)")
                    } else {
                        reference.member("type", "string")
                    }
                }
            }
        }
    }

    private static func problem(_ writer: inout JSONWriter) {
        writer.member("type", "object")
        writer.member("description", "Why not (RFC 9457). Programs decide on code, people read detail.")
        writer.member("required", ["type", "title", "status", "detail", "code"])
        writer.name("properties")
        writer.object { properties in
            for name in ["type", "title", "detail", "member"] { properties.member(name, OpenAPISchemas.text) }
            for name in ["status", "requested", "available"] { properties.member(name, OpenAPISchemas.number) }
            properties.name("code")
            properties.object { code in
                code.member("type", "string")
                code.name("oneOf")
                code.array { array in
                    for problem in ProblemCode.allCases {
                        array.object { entry in
                            entry.member("const", problem.rawValue)
                            entry.member("title", problem.title)
                            entry.member("description", "Status \(problem.status.code)")
                        }
                    }
                }
            }
            properties.member("held_by", OpenAPISchemas.holdings)
            properties.member("would_fit", OpenAPISchemas.alternatives)
        }
    }
}
