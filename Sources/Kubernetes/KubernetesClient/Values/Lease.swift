/// A lease, by which one of several programs leads.
public struct Lease: KubernetesResource {
    /// The kind.
    public static let resourceKind = ResourceKind(
        group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases", isNamespaced: true)

    /// All of it, as JSON.
    public var json: JSONValue

    /// A view of this JSON.
    public init(json: JSONValue) { self.json = json }

    /// Who holds it; nil where nobody does.
    public var holderIdentity: String? {
        get { text("spec", "holderIdentity").flatMap { $0.isEmpty ? nil : $0 } }
        set { set(newValue ?? "", "spec", "holderIdentity") }
    }
    /// For how many seconds after it was last seen to change others leave it alone.
    public var leaseDurationSeconds: Int? {
        get { number("spec", "leaseDurationSeconds") }
        set { set(newValue, "spec", "leaseDurationSeconds") }
    }
    /// When its holder got it, by the holder's clock.
    public var acquireTime: Timestamp? {
        get { time("spec", "acquireTime") }
        set { set(newValue?.description, "spec", "acquireTime") }
    }
    /// When its holder last renewed it, by the holder's clock.
    public var renewTime: Timestamp? {
        get { time("spec", "renewTime") }
        set { set(newValue?.description, "spec", "renewTime") }
    }
    /// How often its holder has changed.
    public var leaseTransitions: Int {
        get { number("spec", "leaseTransitions") ?? 0 }
        set { set(newValue, "spec", "leaseTransitions") }
    }
}
