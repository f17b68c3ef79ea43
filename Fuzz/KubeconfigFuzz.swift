import WireJSON

/// The kubeconfig reader: it reads a file or refuses it, and every context comes to something or is refused with a reason.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzKubeconfig(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let input = Input(bytes, count)
    do throws(ConfigurationError) {
        let kubeconfig = try Kubeconfig(input.all, file: "/directory/config")
        var merged = kubeconfig
        merged.merge(kubeconfig)
        require(merged == kubeconfig, "a file changes what it says itself")
        for name in kubeconfig.contexts.keys.sorted() {
            do throws(ConfigurationError) {
                let configuration = try kubeconfig.configuration(context: name, system: .real)
                require(ServerAddress(configuration.server.description) == configuration.server, "\(configuration)")
                if case .plugin(let plugin) = configuration.identity.method { _ = plugin.call(authorities: nil) }
            } catch {
                require(!error.reason.isEmpty, "a refusal without a reason")
            }
        }
        _ = try? kubeconfig.configuration(system: .real)
    } catch {
        require(!error.reason.isEmpty, "a refusal without a reason")
    }
    _ = try? CredentialPlugin(command: "x").answer(input.all)
    return 0
}

extension SystemAccess {
    /// Nothing: a configuration is read without its files.
    public static let real = SystemAccess(
        now: { .zero }, wallClock: { .init(microseconds: 0) }, sleep: { _ in }, random: { 0 }, readFile: { _ in [] },
        variable: { _ in nil }, run: { _ in .init(status: 0, output: [], errors: "") })
}
