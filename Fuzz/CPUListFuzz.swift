import Machine

/// The list and mask parsers: what is accepted reads back as the same set, and errors quote little of what they
/// refuse.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzCPUList(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let isMask = input.byte() & 1 == 1
    let text = String(decoding: input.all, as: UTF8.self)
    do throws(CPUListError) {
        let set = isMask ? try CPUSet(mask: text) : try CPUSet(list: text)
        require(set.allSatisfy { (0...CPUSet.maximumCPU).contains($0) }, "a CPU out of range")
        require((try? CPUSet(list: set.list)) == set, "\(set) does not read back")
        require(set.runs.reduce(0) { $0 + $1.count } == set.count, "\(set) has other runs")
        require(CPUSet(set.map { $0 }) == set, "\(set) is not what it holds")
    } catch {
        require(error.part.utf8.count <= 200 && !error.description.isEmpty, "\(error.part.utf8.count) bytes are named")
    }
    return 0
}
