import Ledger
import LedgerStore
import Machine
import WireJSON

/// A claim as JSON.
enum ClaimResource {
    /// Writes a claim.
    ///
    /// - Parameter more: writes what else the object has.
    /// - Returns: its version.
    @discardableResult
    static func write(
        _ claim: Claim, to writer: inout JSONWriter, more: (inout JSONWriter) -> Void = { _ in }
    ) -> String {
        var version = ""
        writer.object { writer in
            let start = writer.bytes.count
            writeMembers(claim, &writer)
            version = hexadecimal(fingerprint(writer.bytes[start...]))
            writer.member("version", version)
            more(&writer)
        }
        return version
    }

    /// The version of a claim, for conditions: claims that differ in anything that is shown differ in it. It depends on
    /// nothing but the claim, so that it means the same after a restart.
    static func version(of claim: Claim) -> String {
        var writer = JSONWriter()
        return write(claim, to: &writer)
    }

    private static func writeMembers(_ claim: Claim, _ writer: inout JSONWriter) {
        writer.member("holder", claim.holder.fullName)
        writer.member("kind", claim.holder.kind.rawValue)
        writer.member("name", claim.holder.name)
        writer.name("owner")
        switch claim.owner {
        case .administrators: writer.null()
        case .user(let uid, let label):
            writer.object { owner in
                owner.member("uid", Int(uid))
                if let label { owner.member("label", label) }
            }
        }
        writer.member("pool", claim.pool)
        writer.member("cpus", claim.cpus.list)
        writer.member("exclusive", claim.exclusive.list)
        writer.name("grants")
        writer.array { array in for grant in claim.grants { write(grant, &array) } }
        writer.name("memory_nodes")
        writer.array { array in for node in claim.memoryNodes { array.integer(node) } }
        writer.name("huge_pages")
        writer.array { array in for pages in claim.reservations { pages.write(to: &array) } }
        writer.name("lease")
        write(claim.lease, &writer)
        writer.name("enforcement")
        if let enforcement = claim.enforcement { write(enforcement, &writer) } else { writer.null() }
    }

    private static func write(_ grant: Grant, _ writer: inout JSONWriter) {
        writer.object { entry in
            entry.member("label", grant.label)
            entry.member("cpus", grant.cpus.list)
            entry.member("exclusive", grant.exclusive.list)
            entry.member("level", grant.level.rawValue)
            entry.member("explicit", grant.isExplicit)
            entry.member("protected", grant.isProtected)
        }
    }

    private static func write(_ lease: Lease, _ writer: inout JSONWriter) {
        writer.object { writer in
            switch lease {
            case .forever: writer.member("forever", true)
            case .until(let end): writer.member("until", end)
            case .process(let process): write(process, &writer)
            case .cgroup(let path, _): writer.member("cgroup", path)
            }
        }
    }

    private static func write(_ process: ProcessIdentity, _ writer: inout JSONWriter) {
        writer.name("process")
        writer.object { writer in
            writer.member("pid", process.id)
            writer.member("start_time", process.startTime)
        }
    }

    private static func write(_ enforcement: Enforcement, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("phase", enforcement.phase.rawValue)
            writer.member("isolation", enforcement.isolation.rawValue)
            writer.member("minimum", enforcement.request.minimum.rawValue)
            writer.member("balanced", enforcement.request.isBalanced)
            if let process = enforcement.request.process { write(process, &writer) }
            if let pod = enforcement.request.pod { write(pod, enforcement.containers, &writer) }
            if let failure = enforcement.failure { writer.member("failure", failure) }
        }
    }

    /// - Parameter seen: what is known of its containers; one that was never looked for is missing.
    private static func write(_ pod: PodReference, _ seen: [ContainerState], _ writer: inout JSONWriter) {
        writer.name("pod")
        writer.object { writer in
            writer.member("uid", pod.uid)
            writer.name("containers")
            writer.array { array in
                for container in pod.containers {
                    let found = seen.first { $0.container == container }
                    array.object { entry in
                        entry.member("name", container.name)
                        entry.member("id", container.id)
                        if let cgroup = found?.cgroup { entry.member("cgroup", cgroup) }
                        entry.member("state", (found?.state ?? .missing).rawValue)
                    }
                }
            }
        }
    }

    /// The FNV-1a hash of 64 bits.
    private static func fingerprint(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
