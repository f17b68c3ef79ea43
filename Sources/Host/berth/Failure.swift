import ArgumentParser
import EPAClient
import Glibc
import Machine
import Rendering
import Terminal

/// A failure with an exit status for scripts (sysexits(3)).
struct Failure: Error {
    let message: String
    let status: Int32

    static let refused: Int32 = 1
    static let noClaim: Int32 = 2
    static let usage: Int32 = 64
    static let malformed: Int32 = 65
    static let noInput: Int32 = 66
    static let unavailable: Int32 = 69
    static let unreachable: Int32 = 69
    static let internalError: Int32 = 70
    static let output: Int32 = 74
    static let timeout: Int32 = 75
    static let notPermitted: Int32 = 77

    init(_ message: String, status: Int32) {
        self.message = message
        self.status = status
    }

    init(_ error: ClientError) {
        // Texts of the daemon and paths may contain anything.
        message = Printable.text(error.description)
        status =
            switch error {
            case .unreachable: Self.unreachable
            case .notPermitted: Self.notPermitted
            case .timeout: Self.timeout
            case .malformedReply: Self.malformed
            case .refused: Self.refused
            }
    }

    init(_ error: MachineError) {
        message = Printable.text(error.description)
        status = if case .noCPUs = error { Self.noInput } else { Self.malformed }
    }

    init(_ error: CaptureError) {
        message = Printable.text(error.description)
        status = if case .file = error { Self.noInput } else { Self.malformed }
    }
}

extension Berth {
    /// Writes what went wrong to standard error and exits with the status for it. Help and version go to standard output,
    /// with status 0.
    static func leave(after error: any Error) -> Never {
        switch error {
        case let failure as Failure:
            Output.complain(failure.message)
            Glibc.exit(failure.status)
        case let error as ClientError: leave(after: Failure(error))
        case let error as MachineError: leave(after: Failure(error))
        case let error as CaptureError: leave(after: Failure(error))
        default: break
        }
        let code = exitCode(for: error).rawValue
        let text = fullMessage(for: error)
        if code == 0 {
            do { try Output.write(text + "\n") } catch { Glibc.exit(error.status) }
            Glibc.exit(0)
        }
        let prefix = "Error: "
        Output.complain(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
        // Only an error in this program gets here with another code.
        Glibc.exit(code == ExitCode.validationFailure.rawValue ? code : Failure.internalError)
    }
}
