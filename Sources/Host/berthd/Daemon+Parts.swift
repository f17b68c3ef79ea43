import ArgumentParser
import EPASocket
import Glibc
import Host
import Ledger
import LedgerStore
import Logging
import Machine
import Service
import Storage

/// The parts of the daemon, each made with the exit status that its failure has.
extension Daemon {
    /// The socket has one group only: who is an administrator by another one and not in it cannot connect, and the
    /// other way round.
    static func warnOfGroups(_ configuration: DaemonConfiguration, _ settings: Settings, _ log: Logger) {
        let access = settings.server.access
        guard let admin = access.adminGroup, let users = access.accessGroup, admin != users,
            configuration.socketMode & 0o002 == 0, let group = settings.socketGroup, group == admin || group == users
        else { return }
        let others = group == users ? "admin-group" : "access-group"
        log.warning(
            "the socket has one group only: members of the other cannot connect unless they are in it too",
            metadata: ["socket-group": "\(group)", "others": "\(others)=\(configuration.shown(others))"])
    }

    static func takeLock(_ paths: Paths) throws -> StoreLock {
        do { return try StoreLock(directory: paths.stateDirectory) } catch {
            guard case .locked = error.reason else {
                printError("\(error)")
                throw Status.inputOutput
            }
            printError("\(error): berthd is running on this state already and must be stopped first")
            throw Status.running
        }
    }

    /// Refuses a state that was made for another machine.
    static func checkMachine(
        _ configuration: DaemonConfiguration, _ files: any MachineFiles, _ paths: Paths, _ log: Logger
    ) throws {
        let mark = MachineMark(
            configuration, name: (files as? CapturedFiles)?.name, directory: paths.stateDirectory)
        do {
            guard try !mark.check() else { return }
        } catch {
            printError("\(error)")
            throw error is MachineMark.Mismatch ? Status.configuration : Status.inputOutput
        }
        // A disk that is full does not stop a state from being served.
        do { try mark.write() } catch {
            log.warning(
                "the state could not be marked as one of this machine",
                metadata: ["machine": "\(mark.text)", "reason": "\(error)"])
        }
    }

    /// What the daemon has to begin with.
    enum State {
        case ready(LedgerStore, Ledger)
        /// A state that must not be used, and why; the last good one where there is one.
        case refused(CommitError, lastGood: Ledger?)
    }

    /// - Parameter isAsked: whether somebody asked for the import, so that its absence is worth a word.
    static func openStore(_ paths: Paths, isAsked: Bool, _ log: Logger, _ decisionLog: DecisionLog) throws -> State {
        do {
            var imported: Ledger?
            if let path = paths.importState {
                switch try StateImport.look(path, stateDirectory: paths.stateDirectory) {
                case .notFirst: break
                case .absent:
                    guard isAsked else { break }
                    log.warning("there is no state to import, the ledger begins empty", metadata: ["file": "\(path)"])
                case .corrupt(let reason): return .refused(.corruptImport("\(path): \(reason)"), lastGood: nil)
                case .found(let found):
                    imported = found.ledger
                    log.notice(
                        "importing the EPA Orchestrator's state",
                        metadata: ["file": "\(path)", "claims": "\(found.ledger.count)"])
                    for warning in found.warnings {
                        log.warning("\(warning)", metadata: ["file": "\(path)"])
                    }
                }
            }
            let opened = try LedgerStore.open(
                directory: paths.stateDirectory, imported: imported, now: wallClock,
                report: { decisionLog.noteFailure($0) })
            switch opened {
            case .ready(let store, let ledger): return .ready(store, ledger)
            case .refused(let error, let lastGood): return .refused(error, lastGood: lastGood)
            }
        } catch {
            printError("\(error)")
            throw Status.inputOutput
        }
    }

    /// The ledger and the store that the host begins with; what an operator must know of them is logged.
    static func begin(_ state: State, _ log: Logger) -> (Ledger, any DecisionStore) {
        switch state {
        case .ready(let store, let ledger):
            if let reason = store.failure {
                log.error(
                    "the state cannot be written: allocations are refused until it can",
                    metadata: ["reason": "\(reason)"])
            }
            return (ledger, store)
        case .refused(.corruptImport(let reason), _):
            log.critical(
                "the state to import is corrupt: allocations are refused until an operator decides",
                metadata: ["reason": "\(reason)", "remedy": "\(StateImport.remedy)"])
            return (Ledger(), RefusingStore(.corruptImport(reason)))
        case .refused(let error, let lastGood):
            var fields: Logger.Metadata = [
                "reason": "\(error)", "shown": "\(lastGood == nil ? "nothing" : "the last good state")",
            ]
            if case .newer = error {
                log.critical(
                    "a newer version of Berth wrote the stored state: allocations are refused until that version runs again",
                    metadata: fields)
            } else {
                fields["restore"] = "berthd restore"
                log.critical(
                    "the stored state is corrupt: allocations are refused until an operator restores it",
                    metadata: fields)
            }
            return (lastGood ?? Ledger(), RefusingStore(error))
        }
    }

    /// Says which claims hold CPUs that are not isolated (any more), as after a reboot without isolcpus, and which CPUs
    /// are in two pools.
    static func warnOfPools(
        _ ledger: Ledger, isolated: CPUSet, _ pools: [String: CPUSet], _ log: Logger
    ) {
        for (claim, cpus) in ledger.outsidePool(isolated: isolated) {
            log.warning(
                "a claim holds CPUs that are not isolated: they are not offered to anybody until it is released",
                metadata: ["service": "\(claim.holder.displayName)", "cpus": "\(cpus)"])
        }
        for (name, cpus) in pools {
            let common = cpus.intersection(isolated)
            guard !common.isEmpty else { continue }
            log.warning(
                "isolated CPUs are in another pool too; take them out of it",
                metadata: ["pool": "\(name)", "cpus": "\(common)"])
        }
    }

    /// Makes the directory of the socket, as the EPA Orchestrator does.
    static func makeDirectory(of socket: String) throws {
        guard let slash = socket.lastIndex(of: "/"), slash > socket.startIndex else { return }
        let directory = String(socket[..<slash])
        guard mkdir(directory, 0o755) != 0, errno != EEXIST else { return }
        throw SystemError("make the directory \(directory)", errno: errno)
    }
}
