internal import NIOCore
internal import NIOPosix

/// Runs tasks on NIO's event loop threads. A call that runs on the thread of its connection avoids thread hops, which
/// would cost more than the rest of a short call.
///
/// A task that starts on one of these threads stays there. Tasks on this executor must not block.
package final class LoopExecutor: TaskExecutor {
    /// The shared instance; the transports use the same threads.
    package static let shared = LoopExecutor()

    private init() {}

    /// Schedules a job.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        MultiThreadedEventLoopGroup.singleton.any().execute { [self] in
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
