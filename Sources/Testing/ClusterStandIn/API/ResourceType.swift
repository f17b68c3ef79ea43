import WireJSON

/// A kind of object and how it is served: `pods` of `v1`, `podcpubindings` of `cslab.ece.ntua.gr/v1alpha1`.
package final class ResourceType: Sendable {
    /// A column of the table that `kubectl get` prints.
    struct Column: Sendable {
        let name: String
        let type: String
        var format = ""
        var description = ""
        /// 0 for every table, 1 for wide ones.
        var priority = 0
        /// What the cell shows; nil where code of its own makes it.
        var path: JSONPath?
    }

    /// Everything that tells one from another.
    struct Content: Sendable {
        var group = ""
        var version = ""
        var kind = ""
        var listKind = ""
        var plural = ""
        var singular = ""
        var shortNames: [String] = []
        var categories: [String] = []
        var isNamespaced = true
        /// The name of what is stored: kinds with one such name are views of the same objects.
        var storage = ""
        var subresources: Set<String> = []
        /// Whether a CustomResourceDefinition declares it.
        var isCustom = false
        /// What its objects look like.
        var schema = Schema.any
        /// The full name of the schema in OpenAPI documents.
        var schemaName = ""
        /// The schema of a custom resource as its definition gives it.
        var openAPI: JSONValue?
        var columns: [Column] = []
        /// Whether `metadata.generation` counts changes.
        var countsGenerations = false
        /// Whether an update needs no resourceVersion.
        var updatesUnconditionally = true
        /// Whether an update of what does not exist creates it.
        var createsOnUpdate = false
        /// Whether it is answered, not stored.
        var isVirtual = false
        /// The paths that a field selector may name, besides metadata.name and metadata.namespace.
        var selectableFields: [String] = []
    }

    let content: Content

    init(_ content: Content) { self.content = content }

    package var group: String { content.group }
    package var version: String { content.version }
    package var kind: String { content.kind }
    package var plural: String { content.plural }
    package var isNamespaced: Bool { content.isNamespaced }
    var listKind: String { content.listKind }
    var storage: String { content.storage }
    var schema: Schema { content.schema }
    var isCustom: Bool { content.isCustom }
    var hasStatus: Bool { content.subresources.contains("status") }

    /// `v1`, or `apps/v1`.
    var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `pods`, or `deployments.apps`.
    var qualified: String { group.isEmpty ? plural : "\(plural).\(group)" }

    /// The verbs of discovery.
    var verbs: [String] {
        content.isVirtual
            ? ["create"]
            : ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    }
}
