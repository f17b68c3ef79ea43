import Domain
import DomainView
import Redis

/// What others can put into Redis, and the address that an operator gives: keys and values of the mirror, intents. Read, or
/// refused with a reason, never a trap.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzMirror(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let kind = input.byte()
    let parts = input.all.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(decoding: parts[0], as: UTF8.self)
    let value = parts.count == 2 ? String(decoding: parts[1], as: UTF8.self) : nil
    switch kind % 4 {
    case 0:
        var view = DomainView()
        guard let found = try? MirrorKey.read(name), let value else { return 0 }
        let texts = value.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        view.take(found, [.text(value), .members(texts), .elements(texts)][Int(kind / 4 % 3)], from: name)
    case 1: _ = try? IntentKey.intent(name, value)
    case 2: _ = (try? RedisAddress(name))?.description
    default: _ = try? Requirements([name: value ?? ""])
    }
    return 0
}
