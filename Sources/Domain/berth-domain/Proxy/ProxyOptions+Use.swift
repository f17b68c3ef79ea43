import ArgumentParser
import DomainRPC
import DomainView
import DomainWire
import Glibc
import Redis
import Service
import Terminal

extension NodeNaming: ExpressibleByArgument {}

extension ProxyOptions {
    var naming: NodeNaming { nodePrintFormat }

    /// Connects to Redis.
    func connect() throws -> RedisConnection {
        signal(SIGPIPE, SIG_IGN)
        let address: RedisAddress
        do { address = try RedisAddress(redisURL) } catch { throw fail("--redis-url: \(error)", Status.usage) }
        if address.ignoresDatabase { printError("--redis-url: \(RedisAddress.ignoredDatabase)") }
        do { return try RedisConnection(to: address, timeout: .seconds(5)) } catch {
            throw fail("\(error)", Status.noAddress)
        }
    }

    /// Reads these parts of the domain and prints the problems.
    func read(_ parts: Set<DomainPart>) throws -> DomainView { try read(parts, DomainReader(connect())) }

    func read(_ parts: Set<DomainPart>, _ reader: DomainReader) throws -> DomainView {
        var view: DomainView
        do { view = try reader.read(parts) } catch { throw fail("\(error)", Status.noAddress) }
        for problem in view.problems { printError(Printable.text("\(problem)")) }
        if !view.isMirrored {
            throw fail(
                "this Redis contains no domain; does --redis-url match proxy.redis_url of the orchestrator?",
                Status.refused)
        }
        view.showsClasses = isatty(STDOUT_FILENO) != 0
        return view
    }

    /// Creates a client of the controller.
    func controller() throws -> WorkflowClient {
        let tls: TLSSettings
        do { tls = try TLSSettings(file: "tls_config.toml") } catch { throw fail("\(error)", Status.configuration) }
        do { return try WorkflowClient(url: ServiceURL(controllerURL), tls: tls.client) } catch let error as WireError {
            throw fail("--controller-url: \(error.reason)", Status.usage)
        } catch { throw fail("\(error)", Status.configuration) }
    }
}

/// Prints the reason and returns the exit status.
func fail(_ reason: String, _ status: ExitCode) -> ExitCode {
    printError(Printable.text(reason))
    return status
}

/// Runs `body` and converts a lookup error to an exit status.
func looking<Value>(_ body: () throws(LookupError) -> Value) throws -> Value {
    do throws(LookupError) { return try body() } catch { throw fail(error.description, Status.refused) }
}
