import Service

/// What an operator may change while the EPA socket is served.
package struct EPASettings: Sendable {
    /// Who may use the socket.
    package var access = AccessPolicy()
    /// The most connections that one user may have open.
    package var connectionsPerUID = 512
    /// Until when a request must be complete, in seconds from the connection.
    package var readTimeout = 5
    /// How long a client may take to read its reply, in seconds.
    package var writeTimeout = 5
    /// How long a change may wait for the disk before the client is answered that its outcome is unknown, in seconds.
    package var commitTimeout = 30
    /// The choices that differ from the EPA Orchestrator's.
    package var policy: EPAPolicy = []
    /// The extensions of the protocol that are turned on.
    package var extensions: EPAExtensions = []
    /// The most bytes of a new service's name; 0 for no limit of its own.
    package var nameLimit = 0
    /// How many exclusive CPUs the claims of one user may have together; nil for any number.
    package var cpusPerUID: Int?

    /// The defaults: the EPA Orchestrator's choices.
    package init() {}
}
