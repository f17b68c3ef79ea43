import ArgumentParser
import Cluster
import KubernetesClient

extension BerthCluster {
    /// How the cluster is reached: by a kubeconfig, or by what kubectl would use, or as a pod.
    ///
    /// - Throws: the exit status, once it was said what is wrong.
    static func connection(_ kubeconfig: String?) throws -> ClientConfiguration {
        do {
            guard let kubeconfig else { return try .standard() }
            let bytes: [UInt8]
            do { bytes = try SystemAccess.real.readFile(kubeconfig) } catch {
                printError("\(kubeconfig): \(error)")
                throw ExitCode(78)
            }
            return try Kubeconfig(bytes, file: kubeconfig).configuration()
        } catch let error as KubernetesClient.ConfigurationError {
            printError("\(error)")
            throw ExitCode(78)
        }
    }

    /// Starts to listen.
    ///
    /// - Throws: the exit status, once it was said what is wrong.
    static func start(_ listeners: [HTTPListener]) async throws {
        do { for listener in listeners { try await listener.start() } } catch {
            printError("\(error)")
            throw ExitCode(69)
        }
    }
}
