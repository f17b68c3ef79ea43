import ArgumentParser
import Dispatch
import EPAClient
import Glibc
import HostClient
import Machine
import Rendering
import Synchronization

/// What a shell offers for an argument: what the daemon and the machine have at that moment. A daemon that does not answer
/// within a second offers nothing.
enum Completion {
    /// The services that hold something.
    static let services = CompletionKind.custom { _, _, _ in
        offered(listed().filter { name in Holder(name).map { $0.kind == .service } ?? true })
    }
    /// All claims; services where there is no API.
    static let holders = CompletionKind.custom { _, _, _ in offered(claimed().map(names) ?? listed()) }
    /// All claims.
    static let claims = CompletionKind.custom { _, _, _ in offered(claimed().map(names) ?? []) }
    /// The NUMA nodes of this machine.
    static let nodes = CompletionKind.custom { _, _, _ in
        (MachineReader(files: DirectoryFiles()).nodeIDs() ?? []).map(String.init)
    }
    /// The page sizes of this machine.
    static let pageSizes = CompletionKind.custom { _, _, _ in sizes() }

    /// What may be written for each claim: its kind and name, and the name alone where no other claim has it.
    private static func names(of claims: [Claim]) -> [String] {
        let holders = claims.compactMap { Holder($0.holder) }
        let count = Dictionary(holders.map { ($0.name, 1) }, uniquingKeysWith: +)
        return holders.flatMap { holder in
            let isPlain = count[holder.name] == 1 && Holder(holder.name) == nil
            return [holder.description] + (isPlain ? [holder.name] : [])
        }
    }

    /// Who has CPUs or huge pages, as the EPA socket lists them.
    private static func listed() -> [String] {
        let client = EPAClient(socket: socket, timeout: 1)
        let cpus = (try? client.send(ListAllocations()).reply.allocations.map(\.service)) ?? []
        let pages = (try? client.send(GetMemoryInfo()).reply.nodes.flatMap { $0.reservations.map(\.service) }) ?? []
        return cpus + pages
    }

    /// All claims; nil where there is no API. Waits on this thread: the parser asks on no other.
    private static func claimed() -> [Claim]? {
        let path = DaemonOptions.apiPath(beside: socket)
        guard access(path, F_OK) == 0 else { return nil }
        let answer = Answer()
        Task.detached {
            let claims = try? await BerthClient(socket: path, timeLimit: .seconds(1)).claims()
            answer.give(claims)
        }
        return answer.wait()
    }

    /// Claims on their way from another thread.
    private final class Answer: Sendable {
        private let claims = Mutex<[Claim]?>(nil)
        private let isThere = DispatchSemaphore(value: 0)

        func give(_ claims: [Claim]?) {
            self.claims.withLock { $0 = claims }
            isThere.signal()
        }

        func wait() -> [Claim]? {
            isThere.wait()
            return claims.withLock { $0 }
        }
    }

    private static var socket: String {
        SocketPath.resolve(given: nil, environment: processEnvironment()) { access($0, F_OK) == 0 }
    }

    /// Names that mean nothing to a shell: bash expands what it is offered, and a name may hold a command.
    private static func offered(_ names: [String]) -> [String] {
        let safe = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@/:")
        return Set(names).filter { !$0.isEmpty && !$0.hasPrefix("-") && $0.allSatisfy(safe.contains) }.sorted()
    }

    private static func sizes() -> [String] {
        let reader = MachineReader(files: DirectoryFiles())
        let pools = (reader.nodeIDs() ?? []).flatMap { reader.hugePages(ofNode: $0) ?? [] }
        return Set(pools.map(\.sizeKB)).sorted().map { Quantity.pageSize(kilobytes: $0) }
    }
}
