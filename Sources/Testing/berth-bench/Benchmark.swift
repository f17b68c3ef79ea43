import Glibc

/// Measures parts of berthd in this process; prints a JSON object a line, for `Benchmarks/run`.
@main
enum Benchmark {
    static func main() {
        if CommandLine.arguments.count < 2 { PlacementBenchmark.run() }
        do { try KernelBenchmark.run() } catch {
            _ = "berth-bench: \(error)\n".withCString { write(STDERR_FILENO, $0, strlen($0)) }
            exit(1)
        }
    }

    /// Prints the median of many runs, in microseconds of wall clock.
    static func report(_ name: String, _ body: () -> Void) {
        let clock = ContinuousClock()
        report(name, (0..<301).map { _ in Int(clock.measure(body) / .nanoseconds(1)) })
    }

    /// Prints the median of some runs, in microseconds of this process's CPU time.
    static func reportCPU(_ name: String, runs: Int, _ body: () throws -> Void) rethrows {
        var times: [Int] = []
        for _ in 0..<runs {
            let begin = cpuTime
            try body()
            times.append(cpuTime - begin)
        }
        report(name, times)
    }

    private static func report(_ name: String, _ nanoseconds: [Int]) {
        let median = nanoseconds.sorted()[nanoseconds.count / 2]
        print("{\"name\":\"\(name)\",\"us\":\(Double(median) / 1000)}")
    }

    private static var cpuTime: Int {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
