/// The version of Berth.
package enum Version {
    /// The number, by semantic versioning.
    package static let number = "0.2.0"
}
