import WireJSON

/// The request decoder: the same bytes in one piece and in pieces come to the same, and a request that is accepted
/// survives being written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzRequest(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let size = Int(input.byte()) + 1
    let text = input.all
    var whole = RequestReader()
    let atOnce = whole.receive(text[...])
    var reader = RequestReader()
    var inPieces = RequestReader.Step.wait
    var rest = text[...]
    while !rest.isEmpty, inPieces == .wait {
        inPieces = reader.receive(rest.prefix(size))
        rest = rest.dropFirst(size)
    }
    _ = reader.end()
    // What follows a request in a later piece is not looked at any more.
    switch (atOnce, inPieces) {
    case (.request(let one), .request(let other)): require(one == other, "\(one) is not \(other)")
    case (.reject, .request), (.reject, .reject): break
    default: require(atOnce == inPieces, "\(atOnce) is not \(inPieces)")
    }
    guard case .request(let value) = inPieces else { return 0 }
    for escapes in [false, true] {
        var writer = JSONWriter(escapesNonASCII: escapes)
        writer.value(value)
        require((try? JSONValue(writer.bytes)) == value, "\(value) does not read back")
    }
    do throws(EPARequestError) {
        guard case .change(let request) = try EPARequest(value, extensions: [.cpuPools, .nonPreemptiveAllocations])
        else { return 0 }
        switch request {
        case .allocateCoresPercent(_, let percent, _): require((-1...100).contains(percent), "\(request)")
        case .allocateNodeCores(_, let node, _, _): require(node >= 0, "\(request)")
        case .allocatePages(_, let count, let node, let sizeKB):
            require(count != 0 && node >= 0 && sizeKB > 0, "\(request)")
        case .allocateCores: break
        }
    } catch {
        require(!error.text.isEmpty, "a refusal without a reason")
    }
    return 0
}
