import Glibc
import Redis
import TestSupport
import Testing

/// Against a redis-server of the tests' own.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct RedisConnectionTests {
    private let server: RedisServer

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        server = try RedisServer()
    }

    private func connect(_ server: RedisServer, _ options: String = "") throws -> RedisConnection {
        try RedisConnection(to: RedisAddress(server.url + options), timeout: .seconds(1))
    }

    @Test("values, numbers, lists, nothing, and bytes that C would end at or split")
    func replies() throws {
        let connection = try connect(server)
        let value = "a b\u{0}c\r\n\"'%s ünï\u{1F600}"
        #expect(try connection.send(["SET", "key", value]) == .text("OK"))
        #expect(try connection.send(["GET", "key"]) == .text(value))
        #expect(try connection.send(["GET", "none"]) == .null)
        #expect(try connection.send(["RPUSH", "list", "1", "", "3"]) == .integer(3))
        #expect(try connection.send(["LRANGE", "list", "0", "-1"]).texts == ["1", "", "3"])
    }

    @Test("a refusal is an error, and the connection stays open")
    func refusal() throws {
        let connection = try connect(server)
        #expect { try connection.send(["NOSUCH"]) } throws: {
            if case RedisError.refused(let reason) = $0 { reason.contains("NOSUCH") } else { false }
        }
        #expect { try connection.send(["LPOP", "a", "many"]) } throws: { error in
            "\(error)".hasPrefix("Redis refuses: LPOP a: ERR")
        }
        let replies = try connection.send(all: [["SET", "a", "1"], ["LPOP", "a"], ["GET", "a"]])
        #expect(replies[1].failure?.hasPrefix("WRONGTYPE") == true && replies[2] == .text("1"))
    }

    @Test("ten thousand commands in one go")
    func pipeline() throws {
        let connection = try connect(server)
        let replies = try connection.send(all: (0..<10_000).map { ["SET", "key:\($0)", "\($0)"] })
        #expect(replies.count == 10_000 && replies.allSatisfy { $0 == .text("OK") })
        #expect(try connection.send(["DBSIZE"]) == .integer(10_000))
    }

    @Test("password and database of the address")
    func password() throws {
        let server = try RedisServer(options: ["--requirepass", "s cret"])
        #expect(throws: RedisError.self) { try connect(server).send(["PING"]) }
        #expect {
            try connect(server, "?pass=wrong")
        } throws: {
            "\($0)"
                == "Redis refuses: AUTH: the user or the password in the URL is wrong, or this Redis wants none"
        }
        let second = try connect(server, "?pass=s%20cret&db=2")
        try second.send(["SET", "a", "1"])
        #expect(try connect(server, "?pass=s%20cret").send(["GET", "a"]) == .null)
        #expect(throws: RedisError.self) { try connect(server, "?pass=s%20cret&db=99") }
    }

    @Test("a server that hangs, is gone or never was is an error within the timeout")
    func outage() async throws {
        let connection = try RedisConnection(to: RedisAddress(server.url), timeout: .milliseconds(100))
        server.signal(SIGSTOP)
        #expect { try connection.send(["PING"]) } throws: { "\($0)".contains("no answer within") }
        server.signal(SIGCONT)
        let second = try connect(server)
        try await server.stop()
        #expect(throws: RedisError.self) { try second.send(["PING"]) }
        #expect(throws: RedisError.self) { try connect(server) }
        #expect(throws: RedisError.self) {
            try RedisConnection(to: RedisAddress("redis://127.0.0.1:1"), timeout: .seconds(1))
        }
    }
}
