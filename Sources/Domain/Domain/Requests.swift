/// The code of a function, known by its content so that it is kept once however many functions share it.
package struct Binary: Hashable, Sendable {
    /// The SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    package let digest: String
    /// The code.
    package let bytes: [UInt8]

    /// The code `bytes` whose SHA-256 the caller has computed.
    package init(digest: String, bytes: [UInt8]) {
        self.digest = digest
        self.bytes = bytes
    }

    /// Equal digests mean equal bytes.
    package static func == (left: Binary, right: Binary) -> Bool { left.digest == right.digest }

    /// Hashes the digest.
    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// How the state of a function is kept (`StatePolicy` on the wire).
package enum StatePolicy: Int, Hashable, Sendable {
    /// Not at all.
    case transient = 0
    /// On its node.
    case nodeLocal = 1
    /// Everywhere.
    case global = 2
}

/// What a function is: `FunctionClassSpecification` on the wire.
package struct FunctionClass: Hashable, Sendable {
    /// The name of the class.
    package var id: String
    /// The run-time that it needs, e.g. `RUST_WASM`.
    package var runtime: String
    /// Its version.
    package var version: String
    /// Its code, where it travels with the request.
    package var binary: Binary?
    /// Where to get the code, where it does not.
    package var code: String?
    /// The names of its output channels.
    package var outputs: [String]

    /// A class; without code unless told.
    package init(
        id: String, runtime: String, version: String, binary: Binary? = nil, code: String? = nil, outputs: [String] = []
    ) {
        self.id = id
        self.runtime = runtime
        self.version = version
        self.binary = binary
        self.code = code
        self.outputs = outputs
    }
}

/// What the controller asks to have started.
package enum Specification: Hashable, Sendable {
    /// A function: `SpawnFunctionRequest`.
    case function(FunctionSpecification)
    /// A resource: `ResourceInstanceSpecification`.
    case resource(ResourceSpecification)

    /// Which service of a node it belongs to.
    package var kind: ComponentKind {
        switch self {
        case .function: .function
        case .resource: .resource
        }
    }

    /// Which workflow it is part of.
    package var workflowID: String {
        switch self {
        case .function(let function): function.workflowID
        case .resource(let resource): resource.workflowID
        }
    }
}

/// Functions and resources: each has a service of its own on the wire.
package enum ComponentKind: String, Hashable, Sendable {
    /// A function.
    case function
    /// A resource.
    case resource
}

/// A function to run.
package struct FunctionSpecification: Hashable, Sendable {
    /// What to run.
    package var functionClass: FunctionClass
    /// Requirements (``Requirements``) and what the function itself is given.
    package var annotations: [String: String]
    /// Which state it has.
    package var stateID: StateID
    /// How that is kept.
    package var statePolicy: StatePolicy
    /// The workflow that it is part of.
    package var workflowID: String

    /// A function to run.
    package init(
        functionClass: FunctionClass, annotations: [String: String] = [:], stateID: StateID,
        statePolicy: StatePolicy = .transient, workflowID: String = ""
    ) {
        self.functionClass = functionClass
        self.annotations = annotations
        self.stateID = stateID
        self.statePolicy = statePolicy
        self.workflowID = workflowID
    }
}

/// A resource to use.
package struct ResourceSpecification: Hashable, Sendable {
    /// The class of the resource, e.g. `file-log`.
    package var classType: String
    /// Requirements (``Requirements``) and what the resource itself is given.
    package var configuration: [String: String]
    /// The workflow that it is part of.
    package var workflowID: String

    /// A resource to use.
    package init(classType: String, configuration: [String: String] = [:], workflowID: String = "") {
        self.classType = classType
        self.configuration = configuration
        self.workflowID = workflowID
    }
}

/// Why something is refused: `ResponseError` on the wire.
package struct DomainRefusal: Error, Hashable, Sendable {
    /// What failed, in the words that clients of the reference know.
    package var summary: String
    /// Why.
    package var detail: String?

    /// Both together.
    var sentence: String { detail.map { "\(summary): \($0)" } ?? summary }

    /// A refusal.
    package init(_ summary: String, detail: String? = nil) {
        self.summary = summary
        self.detail = detail
    }
}
