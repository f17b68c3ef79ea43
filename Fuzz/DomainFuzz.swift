import Domain
import WireJSON

@testable import DomainStore

/// Records of a domain's store: refused, or changes that read back as they were written, on which a domain can go on without
/// a trap.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzDomain(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    var options = DomainOptions()
    options.strategy = [.random, .roundRobin, .loadAware][Int(input.byte() % 3)]
    guard let value = try? JSONValue(input.all), let elements = value.array else { return 0 }
    func binary(_ name: String) throws(DomainRecordError) -> Binary { Binary(digest: name, bytes: [1]) }
    var records = DomainRecords()
    for element in elements {
        guard let change = try? DomainChange(json: element, binaries: binary) else { return 0 }
        var writer = JSONWriter()
        change.write(to: &writer)
        guard let written = try? JSONValue(writer.bytes), let again = try? DomainChange(json: written, binaries: binary)
        else { fatalError("the change does not read back") }
        require(again == change, "the change reads back as another one")
        records.apply(change)
    }
    var now = Timestamp(monotonic: 1_000_000, wall: 1_700_000_000_000)
    var domain = Domain(records: records, options: options, random: Xoshiro(seed: 1), now: now)
    var effects = domain.begin(at: now).effects
    for round in 0..<40 {
        now.monotonic += 1_000
        now.wall += 1_000
        let events: [DomainEvent] = effects.compactMap { effect in
            switch effect {
            case .call(let call):
                if case .start = call.request {
                    let component = ComponentID(high: 1, low: UInt64(call.id))
                    return .answered(call.id, .started(PhysicalID(node: call.node, component: component)))
                }
                return .answered(call.id, .done)
            case .updateController(let number, _): return .controllerAnswered(number, round == 20 ? .reset : .accepted)
            default: return nil
            }
        }
        effects = []
        for event in events + [.tick] { effects += domain.handle(event, at: now).effects }
    }
    return 0
}
