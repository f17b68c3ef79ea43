// Static builds, such as those of the benchmarks, have no Testing.
#if canImport(Testing)
import Glibc
package import Testing

extension Trait where Self == ConditionTrait {
    /// The test runs as root only: it makes mount namespaces, or acts as several users.
    package static var needsRoot: Self { .enabled(if: geteuid() == 0, "needs root") }

    /// The test needs the real machines and recordings that are not part of the project.
    package static var needsShared: Self {
        .enabled(if: SharedDirectory.path != nil, "no ../shared beside the checkout and BERTH_SHARED not set")
    }
}
#endif
