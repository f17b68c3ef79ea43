/// The code of a function, identified by its content so that functions can share it.
package struct Binary: Hashable, Sendable {
    /// The SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
    package let digest: String
    /// The code.
    package let bytes: [UInt8]

    /// Creates a binary. The caller has computed the SHA-256 of `bytes`.
    package init(digest: String, bytes: [UInt8]) {
        self.digest = digest
        self.bytes = bytes
    }

    /// Equal digests mean equal bytes.
    package static func == (left: Binary, right: Binary) -> Bool { left.digest == right.digest }

    /// Hashes the digest.
    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// Where the state of a function is stored (`StatePolicy` on the wire).
package enum StatePolicy: Int, Hashable, Sendable {
    /// Nowhere.
    case transient = 0
    /// On its node.
    case nodeLocal = 1
    /// Everywhere.
    case global = 2
}

/// The class of a function: `FunctionClassSpecification` on the wire.
package struct FunctionClass: Hashable, Sendable {
    /// The name of the class.
    package var id: String
    /// The run-time that it needs, e.g. `RUST_WASM`.
    package var runtime: String
    /// Its version.
    package var version: String
    /// Its code, if it travels with the request.
    package var binary: Binary?
    /// Where to fetch the code otherwise.
    package var code: String?
    /// The names of its output channels.
    package var outputs: [String]

    /// Creates a class, by default without code.
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

/// What the controller asks a domain to start.
package enum Specification: Hashable, Sendable {
    /// A function: `SpawnFunctionRequest`.
    case function(FunctionSpecification)
    /// A resource: `ResourceInstanceSpecification`.
    case resource(ResourceSpecification)

    /// The node service that handles it.
    package var kind: ComponentKind {
        switch self {
        case .function: .function
        case .resource: .resource
        }
    }

    /// The workflow that it belongs to.
    package var workflowID: String {
        switch self {
        case .function(let function): function.workflowID
        case .resource(let resource): resource.workflowID
        }
    }
}

/// Functions and resources; each kind has its own service on the wire.
package enum ComponentKind: String, Hashable, Sendable {
    /// A function.
    case function
    /// A resource.
    case resource
}

/// A function to run.
package struct FunctionSpecification: Hashable, Sendable {
    /// Its class.
    package var functionClass: FunctionClass
    /// Its ``Requirements``, and parameters for the function itself.
    package var annotations: [String: String]
    /// The state that it uses.
    package var stateID: StateID
    /// Where that state is stored.
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
    /// Its ``Requirements``, and parameters for the resource itself.
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

/// The reason for a refusal: `ResponseError` on the wire.
package struct DomainRefusal: Error, Hashable, Sendable {
    /// What failed, in the words that EDGELESS clients know.
    package var summary: String
    /// Why.
    package var detail: String?

    /// Summary and detail.
    package var sentence: String { detail.map { "\(summary): \($0)" } ?? summary }

    /// A refusal.
    package init(_ summary: String, detail: String? = nil) {
        self.summary = summary
        self.detail = detail
    }
}
