import ArgumentParser
import DomainRPC
import DomainView
import DomainWire
import Glibc
import Redis
import Service
import Terminal

/// How nodes are called.
enum NodePrintFormat: String, ExpressibleByArgument, CaseIterable {
    case uuid, labels, hostname

    var naming: NodeNaming {
        switch self {
        case .uuid: .uuid
        case .labels: .labels
        case .hostname: .hostname
        }
    }
}

extension ProxyOptions {
    var naming: NodeNaming { nodePrintFormat.naming }

    /// A connection to Redis.
    func connect() throws -> RedisConnection {
        signal(SIGPIPE, SIG_IGN)
        let address: RedisAddress
        do { address = try RedisAddress(redisURL) } catch { throw fail("--redis-url: \(error)", Status.usage) }
        do { return try RedisConnection(to: address, timeout: .seconds(5)) } catch {
            throw fail("\(error)", Status.noAddress)
        }
    }

    /// These parts of the domain; what could not be read is told.
    func read(_ parts: Set<DomainPart>) throws -> DomainView { try read(parts, DomainReader(connect())) }

    func read(_ parts: Set<DomainPart>, _ reader: DomainReader) throws -> DomainView {
        let view: DomainView
        do { view = try reader.read(parts) } catch { throw fail("\(error)", Status.noAddress) }
        for problem in view.problems { printError(Printable.text("\(problem)")) }
        if !view.isMirrored {
            printError("no domain is in this Redis: is --redis-url what proxy.redis_url of the orchestrator is?")
        }
        return view
    }

    /// A client of the controller.
    func controller() throws -> WorkflowClient {
        let tls: TLSSettings
        do { tls = try TLSSettings(file: "tls_config.toml") } catch { throw fail("\(error)", Status.configuration) }
        do { return try WorkflowClient(url: ServiceURL(controllerURL), tls: tls.client) } catch let error as WireError {
            throw fail("--controller-url: \(error.reason)", Status.usage)
        } catch { throw fail("\(error)", Status.configuration) }
    }
}

/// Says why on standard error, and gives the status to end with.
func fail(_ reason: String, _ status: ExitCode) -> ExitCode {
    printError(Printable.text(reason))
    return status
}

/// Does something that may name what is not there.
func looking<Value>(_ body: () throws(LookupError) -> Value) throws -> Value {
    do throws(LookupError) { return try body() } catch { throw fail(error.description, Status.refused) }
}
