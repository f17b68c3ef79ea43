import Glibc

/// Threads that do nothing until they are ended.
final class SleepingThreads: @unchecked Sendable {
    private var gate = sem_t()
    private var threads: [pthread_t] = []

    /// Starts so many, as far as the machine allows.
    init(_ count: Int) {
        sem_init(&gate, 0, 0)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 64 << 10)
        for _ in 0..<count {
            var thread = pthread_t()
            let argument = Unmanaged.passUnretained(self).toOpaque()
            let failure = pthread_create(
                &thread, &attributes,
                { argument in
                    if let argument { Unmanaged<SleepingThreads>.fromOpaque(argument).takeUnretainedValue().wait() }
                    return nil
                }, argument)
            guard failure == 0 else { break }
            threads.append(thread)
        }
    }

    /// Ends them all, and waits until they are gone.
    func end() {
        sem_post(&gate)
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }

    /// Each thread that passes lets the next one pass.
    private func wait() {
        sem_wait(&gate)
        sem_post(&gate)
    }
}
