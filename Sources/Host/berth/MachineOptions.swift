import ArgumentParser
import Machine

/// Which machine to read.
struct MachineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The directory to read in place of /sys.", valueName: "dir"))
    var sysfsRoot: String?
    @Option(help: ArgumentHelp("A captured machine (berth topology capture), instead of this one.", valueName: "file"))
    var machine: String?
    @Flag(help: "The built-in machine of berthd --simulate, instead of this one.")
    var simulate = false

    func validate() throws {
        if [sysfsRoot != nil, machine != nil, simulate].filter({ $0 }).count > 1 {
            throw ValidationError("--sysfs-root, --machine and --simulate exclude each other")
        }
    }

    /// The name of the machine for people, nil for this machine, and its files.
    func files() throws -> (name: String?, files: any MachineFiles) {
        if simulate { return (CapturedFiles.simulated.name, CapturedFiles.simulated) }
        if let machine {
            let captured = try CapturedFiles(contentsOf: machine)
            return (captured.name.isEmpty ? machine : captured.name, captured)
        }
        if let sysfsRoot { return (nil, DirectoryFiles(root: sysfsRoot)) }
        return (nil, DirectoryFiles())
    }
}
