import Glibc
import Service

/// Where the settings of a command come from: a file, and flags that go before it.
struct ConfigurationSource {
    /// A key of the configuration with the text of its flag; nil where the flag is not given.
    typealias Flag = (key: String, text: String?)

    private let config: String?
    private let flags: [Flag]

    init(config: String?, flags: [Flag]) {
        self.config = config
        self.flags = flags
    }

    /// The configuration file that is read; nil where there is none.
    var file: String? {
        let standard = "/etc/berth/berthd.toml"
        return config ?? (access(standard, F_OK) == 0 ? standard : nil)
    }

    /// An error about a key: it names the file where the value comes from there.
    func error(_ key: String, _ message: String) -> ConfigurationError {
        guard let file, !isFlag(key) else { return ConfigurationError(message) }
        return ConfigurationError("\(file): \(message)")
    }

    private func isFlag(_ key: String) -> Bool { flags.contains { $0.key == key && $0.text != nil } }

    /// The configuration: defaults, then the file, then the flags.
    func configuration() throws(ConfigurationError) -> DaemonConfiguration {
        var configuration = DaemonConfiguration()
        if let file {
            let text: String
            do { text = try readText(file) } catch { throw ConfigurationError(error.description) }
            try configuration.merge(toml: text, file: file)
        }
        for flag in flags { if let text = flag.text { try configuration.set(flag.key, to: text) } }
        let machines = [
            ("sysfs-root", configuration.sysfsRoot != DaemonConfiguration().sysfsRoot),
            ("machine", configuration.machine != nil), ("simulate", configuration.simulate),
        ].filter(\.1).map(\.0)
        // At most one of them is a flag: the other is in the file.
        if machines.count > 1, let key = machines.first(where: { !isFlag($0) }) {
            throw error(key, "sysfs-root, machine and simulate exclude each other")
        }
        return configuration
    }
}
