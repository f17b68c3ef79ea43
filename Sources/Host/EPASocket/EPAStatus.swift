import Ledger
import Machine
import WireJSON

/// What the program says of itself to `berth_status`, a question that only Berth knows.
///
/// `{"version":"1.0","berth_status":{"daemon":"0.2.0","machine":"real","accepts_changes":false,"reason":"…",
/// "enforcement":"cpuset","enforcement_limit":"…",
/// "claims_outside_pool":[{"service_name":"a","allocated_cores":"2-3","cores_count":2,"is_explicit":false}]}}`: `reason`
/// only where changes are not accepted, `enforcement_limit` only below a partition, and of each claim only the CPUs that are
/// not isolated (any more).
package struct EPAStatus: Sendable {
    /// The version of the program.
    let version: String
    /// Where the machine comes from: `real`, `simulated`, `captured`, `sysfs-root`.
    let machine: String
    /// The strongest isolation that claims can have now, and why it is no stronger.
    let enforcement: @Sendable () -> (isolation: Isolation, limit: String?)

    /// A status of a program of this version on a machine of this kind.
    package init(
        version: String, machine: String,
        enforcement: @escaping @Sendable () -> (isolation: Isolation, limit: String?) = { (.none, nil) }
    ) {
        self.version = version
        self.machine = machine
        self.enforcement = enforcement
    }

    func reply(_ ledger: Ledger, isolated: CPUSet, refusal: String?) -> [UInt8] {
        JSONWriter.object { reply in
            reply.member("version", "1.0")
            reply.name("berth_status")
            reply.object { status in
                status.member("daemon", version)
                status.member("machine", machine)
                status.member("accepts_changes", refusal == nil)
                if let refusal { status.member("reason", refusal) }
                let (isolation, limit) = enforcement()
                status.member("enforcement", isolation.rawValue)
                if let limit { status.member("enforcement_limit", limit) }
                status.name("claims_outside_pool")
                status.array { array in
                    for (claim, cpus) in ledger.outsidePool(isolated: isolated) {
                        array.object { entry in
                            entry.member("service_name", ledger.displayName(of: claim.holder))
                            entry.member("allocated_cores", cpus.list)
                            entry.member("cores_count", cpus.count)
                            entry.member("is_explicit", claim.holder.kind != .service || claim.hasExplicitGrant)
                        }
                    }
                }
            }
        }
    }
}
