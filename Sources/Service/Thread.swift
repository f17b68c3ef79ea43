import CLinux
import Glibc

/// Runs `body` on a new thread, which ends with it.
///
/// - Throws: ``SystemError`` where no thread can be started.
public func startThread(_ body: sending @escaping () -> Void) throws(SystemError) {
    final class Box {
        let body: () -> Void
        init(_ body: @escaping () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Box(body)).toOpaque()
    let result = pthread_create(
        &thread, nil,
        { argument in
            if let argument { Unmanaged<Box>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }, argument)
    guard result == 0 else {
        Unmanaged<Box>.fromOpaque(argument).release()
        throw SystemError("start a thread", errno: result)
    }
    pthread_detach(thread)
}

/// Has the kernel let the calling thread go first when it wakes, as befits one that works little and that many wait for. Where
/// all processors are busy it would else wait for the end of another thread's turn, 4 ms, after each sync of the disk. Does
/// nothing where the kernel has no such thing.
public func preferPromptness() { _ = clinux_prefer_short_turns(100_000) }
