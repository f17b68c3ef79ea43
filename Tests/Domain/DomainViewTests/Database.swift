import Domain
import DomainMirror
import DomainView
import Glibc
import Redis
import TestSupport

/// A test's own Redis, filled with the values of the specification or by the mirror.
struct Database {
    let server: RedisServer
    let connection: RedisConnection

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        server = try RedisServer()
        connection = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(10))
    }

    func send(_ words: String...) throws { try connection.send(words) }

    /// Carries out the commands of a mirror.
    func send(_ commands: [RedisCommand]) throws { for command in commands { try connection.send(command.words) } }

    func read(_ parts: Set<DomainPart> = Set(DomainPart.allCases)) throws -> DomainView {
        try DomainReader(connection).read(parts)
    }

    /// All keys and values.
    func contents() throws -> [String: RedisReply] {
        var contents: [String: RedisReply] = [:]
        for key in try connection.send(["KEYS", "*"]).texts { contents[key] = try connection.send(["DUMP", key]) }
        return contents
    }
}

/// The exact values of section 5.2 of the domain specification.
enum Spec {
    static let node = "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55"
    static let otherNode = "0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d66"
    static let function = "11111111-2222-4333-8444-555555555555"
    static let resource = "99cc00dd-3456-4789-abcd-ef0123456789"
    static let component = "77aa88bb-1234-4567-89ab-cdef01234567"
    static let resourceComponent = "88bb99cc-2345-4678-9abc-def012345678"
    static let workflow = "5e0c7a90-1111-4222-8333-944455566677"

    static let capabilities =
        #"{"num_cpus":8,"model_name_cpu":"X1","clock_freq_cpu":2400.0,"num_cores":4,"mem_size":15900,"labels":["hostname=n3","red"],"is_tee_running":false,"has_tpm":false,"runtimes":["RUST_WASM"],"disk_tot_space":51200,"num_gpus":0,"model_name_gpu":"","mem_size_gpu":0}"#
    static let health =
        #"{"mem_free":1,"mem_used":2,"mem_available":3,"proc_cpu_usage":4,"proc_memory":5,"proc_vmemory":6,"load_avg_1":7,"load_avg_5":8,"load_avg_15":9,"tot_rx_bytes":10,"tot_rx_pkts":11,"tot_rx_errs":12,"tot_tx_bytes":13,"tot_tx_pkts":14,"tot_tx_errs":15,"disk_free_space":16,"disk_tot_reads":17,"disk_tot_writes":18,"gpu_load_perc":-1,"gpu_temp_cels":-1000,"active_power":-1}"#
    static let provider =
        #"{"class_type":"http-ingress","node_id":"0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55","outputs":["new_request"]}"#
    static let functionInstance =
        #"{"Function":[{"spec":{"id":"doubler","function_type":"RUST_WASM","version":"0.1","binary":null,"code":null,"outputs":["out"]},"annotations":{"init-payload":"8"},"state_specification":{"state_id":"a1d2c3b4-0001-4f00-8a00-0000000000aa","state_policy":"NodeLocal"},"workflow_id":"5e0c7a90-1111-4222-8333-944455566677"},["InstanceId(node_id: 0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55, function_id: 77aa88bb-1234-4567-89ab-cdef01234567)"]]}"#
    static let waitingFunction =
        #"{"Function":[{"spec":{"id":"doubler","function_type":"RUST_WASM","version":"0.1","binary":null,"code":null,"outputs":[]},"annotations":{},"state_specification":{"state_id":"a1d2c3b4-0001-4f00-8a00-0000000000aa","state_policy":"NodeLocal"},"workflow_id":"w"},[]]}"#
    static let seedFunction =
        #"{"Function":[{"code":{"function_class_id":"doubler","function_class_type":"RUST_WASM","function_class_version":"0.1","function_class_outputs":["out"]},"annotations":{},"state_specification":{"state_id":"a1d2c3b4-0001-4f00-8a00-0000000000aa","state_policy":"Transient"},"workflow_id":"5e0c7a90-1111-4222-8333-944455566677"},["InstanceId(node_id: 0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55, function_id: 77aa88bb-1234-4567-89ab-cdef01234567)"]]}"#
    static let resourceInstance =
        #"{"Resource":[{"class_type":"file-log","configuration":{"filename":"a.log"},"workflow_id":"5e0c7a90-1111-4222-8333-944455566677"},"InstanceId(node_id: 0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55, function_id: 88bb99cc-2345-4678-9abc-def012345678)"]}"#
    static let waitingResource =
        #"{"Resource":[{"class_type":"file-log","configuration":{},"workflow_id":"w"},"InstanceId(node_id: 00000000-0000-0000-0000-fffe00000000, function_id: 00000000-0000-0000-0000-fffd00000000)"]}"#
}

extension Database {
    /// A node, a provider, a function that leads to a resource.
    static func ofToday() throws -> Database {
        let database = try Database()
        try database.send("SET", "domain_info:domain_id", "my-domain")
        try database.send("SET", "node:capabilities:\(Spec.node)", Spec.capabilities)
        try database.send("SET", "provider:n3-http-ingress-1", Spec.provider)
        try database.send("SET", "instance:\(Spec.function)", Spec.functionInstance)
        try database.send("SET", "instance:\(Spec.resource)", Spec.resourceInstance)
        try database.send("SET", "dependency:\(Spec.function)", "{\"out\":\"\(Spec.resource)\"}")
        try database.send("ZADD", "node:health:\(Spec.node)", "20", Spec.health)
        for category in ["node:capabilities", "provider", "instance", "dependency"] {
            try database.send("SET", "\(category):last_update", "1760000001.25")
        }
        return database
    }
}
