package import Bindings
package import KubernetesClient

extension Bindings.ObjectKey {
    /// The key of an object.
    package init(_ key: KubernetesClient.ObjectKey) { self.init(key.namespace, key.name) }
}

extension KubernetesClient.ObjectKey {
    /// The key of an object.
    package init(_ key: Bindings.ObjectKey) { self.init(namespace: key.namespace, name: key.name) }
}
