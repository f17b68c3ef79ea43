import Glibc
import HostAPI
import Machine
import Service

/// What is wrong with a configuration although each of its values is a possible one: what `serve` refuses before it touches
/// anything, and `check --configuration` says of a configuration that is not served yet.
enum ConfigurationCheck {
    /// Checks the paths of sockets and the files that the configuration names.
    ///
    /// - Throws: ``ConfigurationError``.
    static func run(
        _ configuration: DaemonConfiguration, _ paths: Paths, _ source: ConfigurationSource
    ) throws(ConfigurationError) {
        for (key, path) in [("socket", paths.socket), ("http-socket", paths.httpSocket ?? "")]
        where path.utf8.count > SocketFile.pathLimit {
            throw source.error(key, "\(key): \(SocketFileError.pathTooLong(path))")
        }
        guard paths.httpSocket != paths.socket else {
            throw source.error("http-socket", "http-socket and socket are the same path")
        }
        _ = try machineFiles(configuration, source)
        if let path = configuration.auditLog, let errno = errorOfAppending(to: path) {
            throw source.error("audit-log", "audit-log: \(SystemError("open \(path)", errno: errno))")
        }
        guard let tls = configuration.httpTLS else { return }
        do {
            try APITLS.check(
                listeningAt: tls.address, certificate: tls.certificate, key: tls.key,
                clientAuthority: tls.clientAuthority)
        } catch {
            throw source.error("http-tls-listen", error.message)
        }
    }

    /// Where the machine that is configured is read from.
    ///
    /// - Throws: ``ConfigurationError`` where that is no machine.
    static func machineFiles(
        _ configuration: DaemonConfiguration, _ source: ConfigurationSource
    ) throws(ConfigurationError) -> any MachineFiles {
        if configuration.simulate { return CapturedFiles.simulated }
        if let path = configuration.machine {
            do { return try CapturedFiles(contentsOf: path) } catch { throw source.error("machine", "\(error)") }
        }
        let files = DirectoryFiles(root: configuration.sysfsRoot)
        // Another directory than the kernel's own is a choice, and one without any CPU a wrong one.
        guard configuration.sysfsRoot != DaemonConfiguration().sysfsRoot else { return files }
        do throws(MachineError) { _ = try MachineReader(files: files).read() } catch {
            guard case .noCPUs = error else { return files }
            throw source.error(
                "sysfs-root",
                "sysfs-root: \(configuration.sysfsRoot) describes no CPU (expected devices/system/cpu/online in it)")
        }
        return files
    }

    /// Why a file cannot be opened to append to it, or made; nil where it can. Nothing is made or changed.
    private static func errorOfAppending(to path: String) -> Int32? {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT != S_IFDIR else { return EISDIR }
            return access(path, W_OK) == 0 ? nil : errno
        }
        guard errno == ENOENT else { return errno }
        let parent = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        return access(parent, W_OK | X_OK) == 0 ? nil : errno
    }
}
