import WireJSON

/// What administrators do with the stand-in itself, below `/standin`.
struct AdminPath: Sendable {
    let server: StandInServer

    /// Answers:
    ///
    /// - `PUT /standin/faults` with the form of ``Faults/init(json:)``, `DELETE /standin/faults`;
    /// - `POST /standin/restart?history=false&seconds=1`, `POST /standin/compact`;
    /// - `GET /standin/requests`, `DELETE /standin/requests`;
    /// - `PUT /standin/logs/NAMESPACE/POD` with the text of a log.
    func answer(_ request: StandInRequest, _ target: RequestTarget) async -> StandInAnswer {
        guard request.user.groups.contains("system:masters") else {
            return StandInAnswer(StatusError(403, "Forbidden", "forbidden: only administrators change the stand-in"))
        }
        let done = StandInAnswer(200, text: "done\n")
        switch (request.method, target.path.dropFirst().first ?? "", target.path.count) {
        case ("PUT", "faults", 2):
            do {
                server.faults = try Faults(json: try JSONValue(request.body))
            } catch { return StandInAnswer(.badRequest("\(error)")) }
            return done
        case ("DELETE", "faults", 2):
            server.faults = Faults()
            return done
        case ("POST", "compact", 2):
            server.withCluster { $0.compact() }
            return done
        case ("POST", "restart", 2):
            let keeps = target.query["history"] != "false"
            let seconds = Double(min(max(Int(target.query["seconds"] ?? "0") ?? 0, 0), 3_600))
            let server = server
            Task {
                // After this answer.
                try await Task.sleep(for: .milliseconds(50))
                try await server.restart(keepsHistory: keeps, after: seconds)
            }
            return done
        case ("GET", "requests", 2):
            return StandInAnswer(
                200,
                .array(
                    server.served.map { served in
                        .map([
                            "method": .string(served.method), "target": .string(served.target),
                            "user": .string(served.user), "status": .integer(served.status),
                        ])
                    }))
        case ("DELETE", "requests", 2):
            server.forgetServed()
            return done
        case ("PUT", "logs", 4):
            let text = String(decoding: request.body, as: UTF8.self)
            server.withCluster { $0.logs["\(target.path[2])/\(target.path[3])"] = text }
            return done
        default: return StandInAnswer(404, text: "404 page not found\n")
        }
    }
}
