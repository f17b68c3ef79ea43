import CLinux
import Glibc

/// Runs `body` on a new thread, which ends with it.
///
/// - Parameter name: what `top -H` and the like call it; 15 bytes at most.
/// - Throws: ``SystemError`` where no thread can be started.
package func startThread(named name: String, _ body: sending @escaping () -> Void) throws(SystemError) {
    final class Box {
        let name: String
        let body: () -> Void
        init(_ name: String, _ body: @escaping () -> Void) { (self.name, self.body) = (name, body) }
    }
    var thread = pthread_t()
    let argument = Unmanaged.passRetained(Box(name, body)).toOpaque()
    let result = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
            clinux_name_thread(box.name)
            box.body()
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
package func preferPromptness() { _ = clinux_prefer_short_turns(100_000) }
