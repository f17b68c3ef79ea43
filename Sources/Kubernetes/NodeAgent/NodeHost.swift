import HostClient
import KubernetesClient

/// What the agent asks of the daemon that owns the machine's claims.
package protocol NodeHost: Sendable {
    /// Whether the daemon answers, and accepts changes.
    ///
    /// - Returns: why it accepts none; nil where it does.
    func refusal() async throws(BerthError) -> String?
    /// The machine.
    func machine() async throws(BerthError) -> NodeMachine
    /// The CPUs that holders other than pods have.
    func cpusOfOthers() async throws(BerthError) -> [Int]
    /// The pods that have claims.
    func podsWithClaims() async throws(BerthError) -> [ObjectKey]
    /// The claim of a pod; nil where it has none.
    func claim(of pod: ObjectKey) async throws(BerthError) -> HeldClaim?
    /// Makes the claim of a pod what is wished for, in one step.
    ///
    /// - Throws: the problem where the daemon refuses; the claim is what it was then.
    func put(_ wish: ClaimWish, for pod: ObjectKey) async throws(BerthError) -> HeldClaim
    /// Gives back all that a pod has.
    func release(_ pod: ObjectKey) async throws(BerthError)
    /// The number of the newest event; 0 where there is none.
    func newestEvent() async throws(BerthError) -> Int
    /// Calls `body` with every event after the one of this number, until the daemon ends the stream or the task is cancelled.
    func follow(after: Int, _ body: @Sendable (NodeHostEvent) -> Void) async throws(BerthError)
}

/// Something that happened on the machine.
package enum NodeHostEvent: Equatable, Sendable {
    /// Claims have changed: of these pods, and of other holders.
    case claims(number: Int, pods: Set<ObjectKey>, others: Bool)
    /// Events are missing here: everything should be read anew.
    case gap
    /// CPUs went offline or came back.
    case machine
}
