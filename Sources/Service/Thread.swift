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
