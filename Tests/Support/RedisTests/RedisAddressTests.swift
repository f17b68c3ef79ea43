import Redis
import Testing

@Suite struct RedisAddressTests {
    @Test("addresses as EDGELESS's client reads them")
    func forms() throws {
        let plain = try RedisAddress("redis://127.0.0.1:6379")
        #expect(plain.endpoint == .tcp(host: "127.0.0.1", port: 6379) && plain.database == 0)
        #expect(try RedisAddress("redis://localhost").endpoint == .tcp(host: "localhost", port: 6379))
        #expect(try RedisAddress("valkey://[::1]:7000/3").endpoint == .tcp(host: "::1", port: 7000))
        #expect(try RedisAddress("valkey://[::1]:7000/3").database == 3)
        #expect(try RedisAddress("redis://[::1]").endpoint == .tcp(host: "::1", port: 6379))
        let named = try RedisAddress("redis://ann:p%40ss:word@host:1/2?protocol=resp2")
        #expect(named.user == "ann" && named.password == "p@ss:word" && named.database == 2)
        for suffix in ["?protocol=3", "#x", "/?protocol=3", "?path=/7", "/0#/5", " \n"] {
            let address = try RedisAddress(" redis://127.0.0.1:6380\(suffix)")
            #expect(address.endpoint == .tcp(host: "127.0.0.1", port: 6380) && address.database == 0, "\(suffix)")
        }
        #expect(try RedisAddress("redis://:secret@host").user == nil)
        let socket = try RedisAddress("unix:///run/redis.sock?db=4&user=u&pass=p")
        #expect(socket.endpoint == .unix(path: "/run/redis.sock") && socket.database == 4)
        #expect(socket.user == "u" && socket.password == "p")
    }

    @Test(
        "what is no address is refused with what would be right",
        arguments: [
            ("127.0.0.1:6379", "redis://"), ("http://host", "redis://"), ("rediss://host", "TLS"),
            ("redis://", "host"), ("redis://host:0", "port"), ("redis://host:70000", "port"),
            ("redis://host/-1", "database"), ("redis://host/a", "database"), ("unix://redis.sock", "whole path"),
            ("redis://:%4@host", "percent"), ("redis://:%zz@host", "percent"), ("redis://:%ff@host", "UTF-8"),
        ])
    func refused(url: String, word: String) {
        #expect { try RedisAddress(url) } throws: { "\($0)".contains(word) }
    }

    @Test("a database in the query of a redis:// address is ignored, and noticed")
    func ignoredDatabase() throws {
        for suffix in ["?db=1", "/?db=1", "?protocol=3&db=1#x"] {
            let address = try RedisAddress("redis://host\(suffix)")
            #expect(address.database == 0 && address.ignoresDatabase, "\(suffix)")
        }
        for url in ["redis://host/1", "redis://host?protocol=3", "redis://host#?db=1", "unix:///s?db=1"] {
            #expect(try !RedisAddress(url).ignoresDatabase, "\(url)")
        }
    }

    @Test("a password is never printed")
    func secrecy() throws {
        #expect(try !"\(RedisAddress("redis://u:secret@host"))".contains("secret"))
        #expect(try !"\(RedisAddress("unix:///s?pass=secret"))".contains("secret"))
        #expect { try RedisAddress("redis://u:secret@host:99999") } throws: { !"\($0)".contains("secret") }
    }
}
