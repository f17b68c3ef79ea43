import Domain
import DomainWire

/// The function that is started again and again.
enum BenchFunction {
    /// - Parameters:
    ///   - state: distinguishes it from others.
    ///   - label: the label that its node must have.
    ///   - code: the size of its code in bytes.
    static func specification(state: Int, label: String? = nil, code: Int = 4_096) -> FunctionSpecification {
        let bytes = [UInt8](repeating: 7, count: code)
        var annotations = ["log_level": "info"]
        annotations["label_match_all"] = label
        return FunctionSpecification(
            functionClass: FunctionClass(
                id: "doubler", runtime: "RUST_WASM", version: "0.1",
                binary: Binary(digest: BinaryInterner.digest(of: bytes), bytes: bytes), outputs: ["out"]),
            annotations: annotations, stateID: StateID(high: 7, low: UInt64(state)), statePolicy: .nodeLocal,
            workflowID: "5a8c7d1e-0f3b-4c29-9e6d-2b1a40c8f7e3")
    }

    static func message(state: Int, label: String? = nil) -> EdgelessApi_SpawnFunctionRequest {
        EdgelessApi_SpawnFunctionRequest(specification(state: state, label: label))
    }
}
