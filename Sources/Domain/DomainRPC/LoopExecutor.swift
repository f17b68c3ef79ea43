internal import NIOCore
internal import NIOPosix

/// Runs tasks on the threads that the network has anyway: a call that is served or made where its connection lives is not handed
/// from thread to thread again and again, which costs more than all the rest of a short call.
///
/// A task that comes from one of these threads stays on it. Nothing that waits may run here.
package final class LoopExecutor: TaskExecutor {
    /// The only one: the transports use the same threads.
    package static let shared = LoopExecutor()

    private init() {}

    /// Runs a job soon.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        MultiThreadedEventLoopGroup.singleton.any().execute { [self] in
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
