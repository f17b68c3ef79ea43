import Glibc
import Redis
import TestSupport

/// A Redis with a handwritten mirror, and the program under all its names.
final class ProxySite {
    static let node = "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55"
    static let function = "11111111-2222-4333-8444-555555555555"
    static let component = "77aa88bb-1234-4567-89ab-cdef01234567"

    let server: RedisServer
    let redis: RedisConnection
    let binary: String

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        server = try RedisServer()
        redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(10))
        binary = try Program.built("berth-domain")
        for name in ["proxy_cli", "edgeless_orc_d"] { symlink(binary, "\(server.folder.path)/\(name)") }
        try redis.send([
            "SET", "node:capabilities:\(Self.node)",
            #"{"num_cpus":8,"model_name_cpu":"X1","clock_freq_cpu":2400.0,"num_cores":4,"mem_size":15900,"labels":["hostname=n3","red"],"is_tee_running":false,"has_tpm":false,"runtimes":["RUST_WASM"],"disk_tot_space":51200,"num_gpus":0,"model_name_gpu":"","mem_size_gpu":0}"#,
        ])
        try redis.send(["SET", "instance:\(Self.function)", Self.instance()])
    }

    static func instance() -> String {
        #"{"Function":[{"spec":{"id":"doubler","function_type":"RUST_WASM","version":"0.1","binary":null,"code":null,"outputs":["out"]},"annotations":{},"state_specification":{"state_id":"a1d2c3b4-0001-4f00-8a00-0000000000aa","state_policy":"NodeLocal"},"workflow_id":"w"},["#
            + "\"InstanceId(node_id: \(node), function_id: \(component))\"]]}"
    }

    /// The program as `proxy_cli`.
    var proxyCLI: String { "\(server.folder.path)/proxy_cli" }

    /// Runs `proxy_cli` on this Redis, in the site's directory.
    func run(_ arguments: [String]) async throws -> (status: Int32?, text: String) {
        try await Program.run(["env", "-C", server.folder.path, proxyCLI, "-r", server.url] + arguments)
    }
}
