import Service

/// What an operator may change while the HTTP API is served; new settings hold for what comes after.
package struct APISettings: Equatable, Sendable {
    /// Who may use the socket.
    package var access = AccessPolicy()
    /// The most connections at a time.
    package var connections = 1_024
    /// The most connections of one user.
    package var connectionsPerUID = 512
    /// The most streams of events at a time.
    package var streams = 128
    /// The most streams of events of one user.
    package var streamsPerUID = 32
    /// How many exclusive CPUs the claims of one user may have together; nil for any number.
    package var cpusPerUID: Int?
    /// The most bytes of a new service's name; 0 for no limit beyond that of every name.
    package var nameLimit = 0
    /// The most requests of one user in a second; uid 0 has no limit.
    package var requestsPerSecond = 10_000
    /// How long a request may take from its first byte to its last, in seconds.
    package var readTimeout = 5
    /// How long a client may not read what is sent to it, in seconds.
    package var writeTimeout = 5
    /// How long a connection may wait for its next request, in seconds.
    package var idleTimeout = 60
    /// After how long a connection is closed once its current request is answered, in seconds.
    package var lifetime = 3_600
    /// How long a change may wait for the disk before the client is answered that its outcome is unknown, in seconds.
    package var commitTimeout = 30
    /// How much longer a change may take where the kernel must follow, in seconds.
    package var enforcementTimeout = 30
    /// The seconds between signs of life in a stream of events.
    package var heartbeat = 15

    /// The defaults.
    package init() {}

    /// The most bytes of a body.
    static let bodyLimit = 65_536
    /// The most bytes of a path with its query.
    static let targetLimit = 8_192
    /// The most bytes of all header fields of a request, and the most fields.
    static let headLimit = 16_384
    static let fieldLimit = 100
}
