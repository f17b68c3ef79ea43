/// Where a Redis or Valkey is, and who says so.
package struct RedisAddress: Hashable, Sendable, CustomStringConvertible {
    /// How it is reached.
    package enum Endpoint: Hashable, Sendable {
        /// Over TCP.
        case tcp(host: String, port: UInt16)
        /// Over a Unix socket.
        case unix(path: String)
    }

    /// How it is reached.
    package let endpoint: Endpoint
    /// The user of its access lists; nil for the default one.
    package let user: String?
    /// The password; nil for none.
    package let password: String?
    /// Which of its databases.
    package let database: Int
    /// Whether the query of a `redis://` address, which is ignored, names a database.
    package let ignoresDatabase: Bool

    /// What to say if ``ignoresDatabase``.
    package static let ignoredDatabase =
        "the query of a redis:// address is ignored; give the database after a slash: redis://host:6379/1"

    /// Reads `redis://[user][:password@]host[:port][/database]`, whose query and fragment are ignored, or `unix:///path[?db=1&user=…&pass=…]`, as the reference's
    /// client does; `valkey://` and `redis+unix://` mean the same. Special characters are given as `%40`.
    ///
    /// - Throws: ``RedisError/badAddress(_:)``, which says what would be right and keeps the password to itself.
    package init(_ url: String) throws(RedisError) {
        let url = Self.trimmed(url)
        guard let colon = url.firstRange(of: "://") else {
            throw .badAddress("an address of Redis begins with redis:// or unix://")
        }
        let rest = url[colon.upperBound...]
        switch url[..<colon.lowerBound].lowercased() {
        case "redis", "valkey": try self.init(tcp: rest)
        case "unix", "redis+unix": try self.init(unix: rest)
        case "rediss", "valkeys": throw .badAddress("TLS to Redis is not supported: use redis:// or unix://")
        case let scheme: throw .badAddress("\(scheme):// is no address of Redis: use redis:// or unix://")
        }
    }

    private init(tcp rest: Substring) throws(RedisError) {
        let parts = rest.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var place = parts[0]
        if let at = place.lastIndex(of: "@") {
            let sides = place[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = sides[0].isEmpty ? nil : try Self.plain(sides[0])
            password = sides.count == 2 ? try Self.plain(sides[1]) : nil
            place = place[place.index(after: at)...]
        } else {
            (user, password) = (nil, nil)
        }
        let isWhole = !place.contains { $0 == "?" || $0 == "#" }
        place = Self.withoutQuery(place)
        var host = place
        var port: UInt16 = 6379
        let isBracketed = place.hasPrefix("[")
        if let end = place.lastIndex(of: ":"), !isBracketed || place[..<end].hasSuffix("]") {
            guard let number = UInt16(place[place.index(after: end)...]), number > 0 else {
                throw .badAddress("the port of Redis is a number from 1 to 65535")
            }
            (host, port) = (place[..<end], number)
        }
        if isBracketed { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { throw .badAddress("an address of Redis names a host: redis://127.0.0.1:6379") }
        endpoint = .tcp(host: String(host), port: port)
        database = try Self.database(isWhole && parts.count == 2 ? Self.withoutQuery(parts[1]) : "")
        let query = rest.prefix { $0 != "#" }.drop { $0 != "?" }.dropFirst()
        ignoresDatabase = query.split(separator: "&").contains { $0.hasPrefix("db=") }
    }

    private init(unix rest: Substring) throws(RedisError) {
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts[0].hasPrefix("/") else {
            throw .badAddress("an address of Redis names the whole path of its socket: unix:///run/redis/redis.sock")
        }
        endpoint = .unix(path: try Self.plain(parts[0]))
        var options: [Substring: String] = [:]
        for option in (parts.count == 2 ? parts[1] : "").split(separator: "&") {
            let sides = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            options[sides[0]] = sides.count == 2 ? try Self.plain(sides[1]) : ""
        }
        user = options["user"]
        password = options["pass"]
        database = try Self.database(options["db"].map { $0[...] } ?? "")
        ignoresDatabase = false
    }

    /// Without surrounding whitespace.
    private static func trimmed(_ text: String) -> Substring {
        let start = text.drop(while: \.isWhitespace)
        guard let last = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return start[...last]
    }

    private static func withoutQuery(_ text: Substring) -> Substring { text.prefix { $0 != "?" && $0 != "#" } }

    private static func database(_ text: Substring) throws(RedisError) -> Int {
        guard !text.isEmpty else { return 0 }
        guard let number = Int(text), (0...65_535).contains(number) else {
            throw .badAddress("the database of Redis is a number from 0 on")
        }
        return number
    }

    private static func plain(_ text: Substring) throws(RedisError) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                throw .badAddress("a percent sign in an address of Redis is followed by two hexadecimal digits")
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .badAddress("an address of Redis is UTF-8")
        }
        return text
    }

    /// The address without its password.
    package var description: String {
        switch endpoint {
        case .tcp(let host, let port): "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        case .unix(let path): "unix://\(path)?db=\(database)"
        }
    }
}
