import Machine

/// The sysfs reader over files made from the input: it reads them or refuses, and what it reads is consistent.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzSysfs(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    var files = input.byte() & 1 == 1 ? base : [:]
    var changes = 0
    while !input.isEmpty, changes < 64 {
        changes += 1
        let path = path(&input)
        let length = Int(input.byte())
        // The longest length stands for "no such file".
        files[path] = length == 255 ? nil : String(decoding: input.bytes(length), as: UTF8.self)
    }
    let captured = CapturedFiles(name: "fuzz", files: files)
    let reader = MachineReader(files: captured)
    _ = try? reader.isolated()
    _ = reader.nohzFull()
    let online = reader.online()
    for node in (reader.nodeIDs() ?? []).prefix(16) {
        _ = try? reader.nodeCPUs(node)
        for pool in reader.hugePages(ofNode: node) ?? [] {
            require(
                pool.sizeKB >= 0 && pool.total >= 0 && pool.free >= 0 && (0...pool.free).contains(pool.reserved),
                "\(pool)")
        }
    }
    for cpu in (online ?? []).prefix(16) { _ = reader.siblings(of: cpu) }
    do throws(MachineError) {
        let machine = try reader.read()
        require(!machine.online.isEmpty, "a machine without CPUs")
        _ = TopologyReport(machine)
    } catch {
        require(!"\(error)".isEmpty, "a refusal without a reason")
    }
    return 0
}

private let base: [String: String] = {
    let shape = CapturedFiles.Shape(
        packages: 2, coresPerNode: 2, threadsPerCore: 2, isolated: [1, 2, 3],
        hugePages: [HugePagePool(sizeKB: 2048, total: 4, free: 4)])
    return CapturedFiles(shape).files
}()

/// A path that the reader may look at.
private func path(_ input: inout Input) -> String {
    let choice = input.byte()
    let number = [0, 1, 2, 3, 7, 8, 63, 64, 255, 4095, 8191, 8192, 65_535, 65_536][Int(input.byte()) % 14]
    let global = ["online", "present", "possible", "isolated", "nohz_full", "offline", "kernel_max"]
    let topology = [
        "thread_siblings_list", "thread_siblings", "core_id", "physical_package_id", "die_id", "cluster_id",
        "core_siblings_list", "package_cpus_list", "die_cpus_list", "cluster_cpus_list", "core_cpus_list", "core_cpus",
    ]
    let cache = ["level", "type", "id", "shared_cpu_list", "shared_cpu_map", "size"]
    let node = ["cpulist", "cpumap", "meminfo", "distance"]
    let pages = ["nr_hugepages", "free_hugepages", "surplus_hugepages", "resv_hugepages"]
    let cpu = "devices/system/cpu/cpu\(number)"
    func pick(_ names: [String]) -> String { names[Int(choice / 16) % names.count] }
    switch choice % 16 {
    case 0...2: return "devices/system/cpu/\(pick(global))"
    case 3...6: return "\(cpu)/topology/\(pick(topology))"
    case 7: return "\(cpu)/online"
    case 8: return choice < 128 ? "\(cpu)/cpu_capacity" : "\(cpu)/regs/identification/midr_el1"
    case 9, 10: return "\(cpu)/cache/index\(number % 5)/\(pick(cache))"
    case 11, 12: return "devices/system/node/node\(number)/\(pick(node))"
    case 13 where number == 1:
        return "kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"
    case 13: return "devices/system/node/node\(number % 4)/hugepages/hugepages-\(number)kB/\(pick(pages))"
    case 14: return pick(["devices/cpu_core/cpus", "devices/cpu_atom/cpus", "devices/system/node/online"])
    default: return "devices/system/node/node\(number)/cpu\(number)/x"
    }
}
