import Dispatch
import Host
import HostAPI
import Kernel
import Ledger
import Service
import Synchronization
import WireJSON

/// Compares the host's claims with the kernel when somebody asks, once a second at most, on a thread of its own.
final class KernelVerification: VerificationProvider {
    private let queue = DispatchQueue(label: "verification")

    private struct State {
        var made: ContinuousClock.Instant?
        var observation: Observation?
        var verification: Verification?
        var time = 0
    }

    private let host: Host
    private let verifier: Verifier
    private let state = Mutex(State())

    init(host: Host, verifier: Verifier) {
        self.host = host
        self.verifier = verifier
    }

    /// The verification as a JSON object.
    func verification() async -> JSONValue {
        let (verification, time) = await current()
        let json = JSONWriter.object { writer in
            writer.member("time", time)
            writer.member("claims", host.ledger.sortedClaims.count { $0.enforcement?.phase == .active })
            writer.name("drift")
            writer.array { array in for drift in verification.drifts { drift.write(to: &array) } }
            writer.member("managed_interrupts", verification.managed.count)
            writer.member("fixed_kernel_threads", verification.fixedThreads)
            writer.member("threads_beside_pods", verification.besidePods)
            writer.member("threads", verification.threadCount)
            writer.member("unreadable", verification.failures)
        }
        return JSONValue(scanned: json[...])
    }

    /// How many differences there are.
    func drift() async -> Int { await current().0.drifts.count }

    private func current() async -> (Verification, Int) {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.verified()) }
        }
    }

    private func verified() -> (Verification, Int) {
        state.withLock { state in
            if let made = state.made, made.duration(to: .now) < .seconds(1), let verification = state.verification {
                return (verification, state.time)
            }
            let claims = host.ledger.sortedClaims.compactMap { VerifiedClaim(active: $0) }
            let seen = verifier.observe(claims, readsMemory: true)
            let verification = Verification(claims, seen, before: state.observation)
            state = State(made: .now, observation: seen, verification: verification, time: wallClock())
            return (verification, state.time)
        }
    }
}

extension Drift {
    fileprivate func write(to array: inout JSONWriter) {
        array.object { writer in
            writer.member("kind", kind)
            writer.member("text", text)
            for field in fields {
                switch field.value {
                case .text(let text): writer.member(field.name, text)
                case .number(let number): writer.member(field.name, number)
                case .flag(let flag): writer.member(field.name, flag)
                case .texts(let texts): writer.member(field.name, texts)
                case .numbers(let numbers):
                    writer.name(field.name)
                    writer.array { array in for number in numbers { array.integer(number) } }
                case .amounts(let amounts):
                    writer.name(field.name)
                    writer.object { writer in
                        for (number, amount) in amounts.sorted(by: { $0.key < $1.key }) {
                            writer.member(String(number), amount)
                        }
                    }
                }
            }
        }
    }
}
