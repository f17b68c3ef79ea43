package import Bindings
import WireJSON
import WireYAML

/// What the extender takes from the scheduler's configuration file.
package struct SchedulerConfiguration: Sendable, Equatable {
    /// The name of the plugin whose arguments count.
    static let plugin = "WorkloadAware"

    /// The plugin's arguments.
    package var args: WorkloadAwareArgs

    /// Reads the file of `--config`: a document `WorkloadAwareArgs`, or a whole `KubeSchedulerConfiguration` with a profile
    /// of the scheduler. Without arguments for the plugin there the defaults hold.
    ///
    /// - Parameters:
    ///   - yaml: the file, as YAML or JSON.
    ///   - schedulerName: the profile.
    /// - Throws: ``SchedulerConfigurationError``.
    package init(yaml: [UInt8], schedulerName: String) throws(SchedulerConfigurationError) {
        let document: JSONValue
        do { document = try JSONValue(yaml: yaml) } catch { throw .notYAML("\(error)") }
        guard document["kind"]?.string == "KubeSchedulerConfiguration" else {
            do { args = try WorkloadAwareArgs(document) } catch { throw .args("", error) }
            return
        }
        let profiles = document["profiles"]?.array ?? []
        guard let index = profiles.firstIndex(where: { $0["schedulerName"]?.string == schedulerName }) else {
            throw .noProfile(schedulerName, among: profiles.compactMap { $0["schedulerName"]?.string })
        }
        let plugins = profiles[index]["pluginConfig"]?.array ?? []
        guard let found = plugins.firstIndex(where: { $0["name"]?.string == Self.plugin }),
            let document = plugins[found]["args"], document != .null
        else {
            args = WorkloadAwareArgs()
            return
        }
        do { args = try WorkloadAwareArgs(document) } catch {
            throw .args("profiles[\(index)].pluginConfig[\(found)].args.", error)
        }
    }
}

/// Why a file is no configuration of the scheduler.
package enum SchedulerConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    case notYAML(String)
    case noProfile(String, among: [String])
    case args(String, WorkloadAwareArgsError)

    /// What is wrong, and what would be right.
    package var description: String {
        switch self {
        case .notYAML(let reason): "it is not YAML: \(reason)"
        case .noProfile(let name, let others):
            others.isEmpty
                ? "profiles: none has a schedulerName; \(name) is needed"
                : "profiles: none has the schedulerName \(name); there are \(others.joined(separator: ", "))"
        case .args(let place, let error): "\(place)\(error)"
        }
    }
}
