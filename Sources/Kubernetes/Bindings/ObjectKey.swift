/// The namespace and name of an object.
package struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The namespace.
    package var namespace: String
    /// The name in the namespace.
    package var name: String

    /// The key of `name` in `namespace`.
    package init(_ namespace: String, _ name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// `NAMESPACE/NAME`.
    package var description: String { "\(namespace)/\(name)" }

    /// By namespace, then name.
    package static func < (a: ObjectKey, b: ObjectKey) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
}
