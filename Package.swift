// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grpc = Target.Dependency.product(name: "GRPCCore", package: "grpc-swift-2")
let grpcTransport = Target.Dependency.product(
    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport")
let grpcProtobuf = Target.Dependency.product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioCertificates = Target.Dependency.product(name: "NIOCertificateReloading", package: "swift-nio-extras")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let hummingbird = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

/// The planes of `Sources` and `Tests`; an arrow between targets points down.
enum Plane: String {
    case core = "Core"
    case support = "Support"
    case host = "Host"
    case kubernetes = "Kubernetes"
    case domain = "Domain"
    case testing = "Testing"

    /// A Swift target: strict settings, and only the targets named here may be imported (`make lint` checks).
    func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
        .target(name: name, dependencies: dependencies, path: "Sources/\(rawValue)/\(name)", swiftSettings: strict)
    }

    func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
        .executableTarget(
            name: name, dependencies: dependencies, path: "Sources/\(rawValue)/\(name)", swiftSettings: strict)
    }

    func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
        .testTarget(
            name: name, dependencies: dependencies, path: "Tests/\(rawValue)/\(name)", exclude: exclude,
            swiftSettings: strict)
    }

    /// A C target.
    func c(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
        .target(name: name, dependencies: dependencies, path: "Sources/\(rawValue)/\(name)")
    }

    /// A C library of the system.
    func library(_ name: String, pkgConfig: String? = nil, package: String) -> Target {
        .systemLibrary(
            name: name, path: "Sources/\(rawValue)/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
    }
}

let core = Plane.core
let support = Plane.support
let host = Plane.host
let kubernetes = Plane.kubernetes
let domain = Plane.domain
let testing = Plane.testing

let package = Package(
    name: "berth",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "berthd", targets: ["berthd"]),
        .executable(name: "berth", targets: ["berth"]),
        .executable(name: "berth-cluster", targets: ["berth-cluster"]),
        .executable(name: "berth-domain", targets: ["berth-domain"]),
        .executable(name: "berth-node", targets: ["berth-node"]),
        .library(name: "HostClient", targets: ["HostClient"]),
        .library(name: "KubernetesClient", targets: ["KubernetesClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-crypto.git", "4.0.0"..<"6.0.0"),
        // What the gRPC packages are made of; for what they leave to us.
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-nio-extras.git", from: "1.35.0"),
        // Without its traits, which would bring full Foundation and readers of configuration.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        // Without its trait, which would bring full Foundation.
        .package(url: "https://github.com/swiftlang/swift-subprocess.git", from: "1.0.2", traits: []),
        .package(url: "https://github.com/apple/swift-system.git", from: "1.8.1"),
    ],
    targets: [
        // Pure values.
        core.module("Machine"),
        core.module("Placement", ["Machine"]),
        core.module("Ledger", ["Machine", "Placement"]),

        // What any daemon needs.
        support.c("CLinux"),
        support.library("CSQLite", pkgConfig: "sqlite3", package: "libsqlite3-dev"),
        // Without its pkg-config file, whose flags the package manager refuses with a warning.
        support.library("CHiredis", package: "libhiredis-dev"),
        // As with hiredis.
        support.library("CYAML", package: "libyaml-dev"),
        support.module("Storage", ["CLinux", "CSQLite"]),
        support.module("Redis", ["CHiredis"]),
        support.module("WireJSON"),
        support.module("WireYAML", ["CYAML", "WireJSON"]),
        support.module("Terminal"),
        support.module("Service", ["CLinux", "WireJSON", logging, toml]),

        // The host: the ledger of one machine, its socket, its command.
        host.module("LedgerStore", ["Ledger", "Machine", "Storage", "WireJSON"]),
        host.module("Kernel", ["CLinux", "Ledger", "Machine", "Service", "WireJSON"]),
        host.module(
            "Host", ["Kernel", "Ledger", "LedgerStore", "Machine", "Placement", "Service", "WireJSON", logging]),
        host.module("EPASocket", ["CLinux", "Host", "Ledger", "Machine", "Service", "WireJSON"]),
        host.module(
            "HostAPI",
            [
                "Host", "Kernel", "Ledger", "LedgerStore", "Machine", "Service", "WireJSON", hummingbird, httpTypes,
                logging, nio, nioHTTP1, nioHTTPTypes, nioHTTPTypesHTTP1, nioPosix, nioSSL,
            ]),
        // A library for others: what it declares is public.
        host.module("HostClient", ["WireJSON", nio, nioHTTP1, nioPosix]),
        host.module("EPAClient", ["CLinux", "Machine", "WireJSON"]),
        host.module("Rendering", ["EPAClient", "Machine", "Terminal"]),
        host.program(
            "berthd",
            [
                "EPASocket", "Host", "HostAPI", "Kernel", "Ledger", "LedgerStore", "Machine", "Service", "Storage",
                "WireJSON",
                arguments, logging, unixSignals,
            ]),
        host.program("berth", ["EPAClient", "HostClient", "Machine", "Rendering", "Terminal", "WireJSON", arguments]),

        // Kubernetes: what a cluster's pods may have, as pure decisions.
        kubernetes.module("Bindings", ["Machine", "WireJSON"]),
        kubernetes.module(
            "Cluster",
            [
                "Bindings", "KubernetesClient", "Machine", "Service", "WireJSON", "WireYAML", hummingbird, httpTypes,
                asn1, crypto, logging, nio, nioHTTP1, nioHTTPTypes, nioPosix, nioSSL, x509,
            ]),
        kubernetes.program(
            "berth-cluster", ["Cluster", "KubernetesClient", "Service", arguments, logging, system, unixSignals]),
        // A library for others: what it declares is public.
        kubernetes.module(
            "KubernetesClient",
            ["WireJSON", "WireYAML", asyncHTTPClient, nio, nioHTTP1, nioPosix, nioSSL, subprocess, system]),
        // Protobuf messages and services of actimanager's daemon; the generated code is checked in (`make protos`).
        kubernetes.module("NodeWire", [grpc, grpcProtobuf, protobuf]),
        kubernetes.module(
            "NodeAgent",
            [
                "HostClient", "KubernetesClient", "NodeWire", "Service", grpc, grpcTransport, logging, nio,
                nioCertificates, nioSSL, protobuf, asn1, x509,
            ]),
        kubernetes.program(
            "berth-node", ["HostClient", "KubernetesClient", "NodeAgent", "Service", arguments, logging, unixSignals]),

        // The edge domain.
        domain.module("Domain"),
        // Protobuf messages as values of Domain; the generated code is checked in (`make protos`).
        domain.module("DomainWire", ["Domain", crypto, grpc, grpcProtobuf, protobuf]),
        domain.module("DomainStore", ["Domain", "Storage", "WireJSON"]),
        domain.module("DomainRuntime", ["Domain", "Service", logging]),
        domain.module(
            "DomainRPC",
            [
                "Domain", "DomainWire", "Service", grpc, grpcTransport, logging, nio, nioHPACK, nioHTTP2, nioPosix,
                nioSSL, nioTLS, protobuf, toml, x509,
            ]),
        domain.module("DomainMirror", ["Domain", "DomainRuntime", "Redis", "Service", "WireJSON", logging]),
        domain.module("DomainView", ["Domain", "Redis", "Terminal", "WireJSON"]),
        domain.module(
            "DomainStatus",
            ["Domain", "DomainRuntime", "Service", "WireJSON", hummingbird, httpTypes, logging, nio, nioPosix]),
        domain.module("DomainSettings", ["Domain", "DomainMirror", "Service", logging, toml]),
        domain.program(
            "berth-domain",
            [
                "Domain", "DomainMirror", "DomainRPC", "DomainRuntime", "DomainSettings", "DomainStatus",
                "DomainStore", "DomainView", "DomainWire", "Redis", "Service", "Storage", "Terminal", "WireJSON",
                arguments, logging, unixSignals,
            ]),

        // Test support, simulations, demo programs, benchmarks.
        testing.c("CFaultVFS", ["CSQLite"]),
        testing.c("CTestSupport"),
        testing.module("TestSupport", ["CLinux", "CTestSupport", "Machine"]),
        testing.module("DomainDemo", ["Domain", "DomainRPC", "DomainWire", grpc, nio, protobuf]),
        testing.module("DomainSimulation", ["Domain", "DomainMirror", "DomainRuntime", "Redis"]),
        testing.module(
            "ClusterStandIn", ["TestSupport", "WireJSON", hummingbird, httpTypes, logging, nio, nioPosix, nioSSL]),
        testing.module(
            "ClusterSimulation",
            [
                "Bindings", "Cluster", "DomainSimulation", "KubernetesClient", "Ledger", "Machine", "NodeAgent",
                "Placement", "TestSupport",
            ]),
        testing.program("berth-cluster-standin", ["ClusterStandIn", "TestSupport", arguments, unixSignals]),
        testing.program(
            "berth-cluster-demo",
            ["KubernetesClient", "WireJSON", arguments, asyncHTTPClient, nio, nioHTTP1, nioSSL, subprocess, system]),
        testing.program("berth-simulate", ["ClusterSimulation", "DomainSimulation", arguments]),
        testing.program("berth-domain-demo", ["Domain", "DomainDemo", "DomainWire", "TestSupport"]),
        testing.program("berth-client-example", ["HostClient"]),
        testing.program("kubernetes-client-example", ["KubernetesClient"]),
        testing.program("berth-bench", ["Kernel", "Ledger", "Machine", "Placement", "TestSupport"]),
        testing.program(
            "berth-cluster-bench",
            [
                "Cluster", "ClusterStandIn", "Host", "HostAPI", "Kernel", "KubernetesClient", "Ledger", "LedgerStore",
                "Machine", "NodeAgent", "Service", "TestSupport", arguments, logging,
            ]),
        testing.program(
            "berth-domain-bench",
            [
                "Domain", "DomainRPC", "DomainStore", "DomainWire", "WireJSON",
                arguments, grpc, grpcTransport, protobuf,
            ]),

        // Tests of each plane. A program among the dependencies is only built for them.
        core.tests("MachineTests", ["Machine", "TestSupport"]),
        core.tests("LedgerTests", ["Ledger", "Machine", "Placement", "TestSupport"]),

        support.tests("StorageTests", ["CFaultVFS", "CSQLite", "Storage", "TestSupport"]),
        support.tests("RedisTests", ["Redis", "TestSupport"]),
        support.tests("WireJSONTests", ["TestSupport", "WireJSON"]),
        support.tests("WireYAMLTests", ["WireJSON", "WireYAML"]),
        support.tests("ServiceTests", ["Service", "TestSupport", "WireJSON", logging]),

        host.tests(
            "LedgerStoreTests", ["CFaultVFS", "CSQLite", "Ledger", "LedgerStore", "Machine", "Storage", "TestSupport"],
            exclude: ["Fixtures"]),
        host.tests("KernelTests", ["CLinux", "Kernel", "Ledger", "Machine", "Service", "TestSupport"]),
        host.tests("HostTests", ["Host", "Kernel", "Ledger", "LedgerStore", "Machine", "TestSupport"]),
        host.tests(
            "EPASocketTests",
            [
                "CFaultVFS", "CSQLite", "EPASocket", "Host", "Ledger", "LedgerStore", "Machine", "Service",
                "TestSupport", "WireJSON", logging,
            ]),
        host.tests(
            "HostAPITests",
            [
                "Host", "HostAPI", "Kernel", "Ledger", "LedgerStore", "Machine", "Service", "TestSupport", "WireJSON",
                logging,
            ]),
        host.tests(
            "HostClientTests",
            [
                "Host", "HostAPI", "HostClient", "Ledger", "LedgerStore", "Machine", "Service", "TestSupport", logging,
                "berth-client-example",
            ]),
        host.tests("EPAClientTests", ["EPAClient", "Machine", "TestSupport"]),
        host.tests(
            "RenderingTests", ["EPAClient", "Machine", "Rendering", "Terminal", "TestSupport"], exclude: ["Golden"]),
        host.tests("BerthdTests", ["TestSupport", "WireJSON", "berth", "berthd"]),
        host.tests(
            "BerthTests", ["CTestSupport", "Machine", "Service", "TestSupport", "WireJSON", "berth", "berthd"]),

        kubernetes.tests("BindingsTests", ["Bindings", "Machine", "TestSupport", "WireJSON"]),
        kubernetes.tests(
            "ClusterTests",
            [
                "Bindings", "Cluster", "ClusterStandIn", "KubernetesClient", "Machine", "TestSupport", "WireJSON",
                "berth-cluster", logging, nio, nioEmbedded, nioSSL, nioTLS,
            ]),
        kubernetes.tests(
            "ClusterSimulationTests", ["Bindings", "Cluster", "ClusterSimulation", "Machine"]),
        kubernetes.tests(
            "ClusterStandInTests", ["ClusterStandIn", "TestSupport", "WireJSON", "berth-cluster-standin"]),
        kubernetes.tests(
            "KubernetesClientTests",
            [
                "ClusterStandIn", "KubernetesClient", "TestSupport", "kubernetes-client-example", nio,
                nioHTTP1, nioPosix, nioSSL,
            ]),

        kubernetes.tests(
            "NodeAgentTests",
            [
                "ClusterStandIn", "Host", "HostAPI", "HostClient", "Kernel", "KubernetesClient", "Ledger",
                "LedgerStore", "Machine", "NodeAgent", "NodeWire", "Service", "TestSupport", "berth-node", "berthd",
                grpc, grpcTransport, logging, protobuf,
            ]),
        kubernetes.tests("NodeWireTests", ["NodeWire", protobuf]),

        domain.tests("DomainTests", ["Domain", "DomainSimulation"]),
        domain.tests("DomainWireTests", ["Domain", "DomainWire", "TestSupport", protobuf]),
        domain.tests(
            "DomainStoreTests",
            ["CFaultVFS", "CSQLite", "Domain", "DomainSimulation", "DomainStore", "Storage", "TestSupport"],
            exclude: ["Fixtures"]),
        domain.tests("DomainRuntimeTests", ["Domain", "DomainRuntime", "TestSupport", logging]),
        domain.tests(
            "DomainRPCTests",
            [
                "Domain", "DomainDemo", "DomainRPC", "DomainRuntime", "DomainWire", "Service", "TestSupport", grpc,
                logging, protobuf,
            ]),
        domain.tests(
            "DomainMirrorTests",
            ["Domain", "DomainMirror", "DomainRuntime", "DomainSimulation", "Redis", "TestSupport", logging]),
        domain.tests(
            "DomainViewTests",
            ["Domain", "DomainMirror", "DomainView", "Redis", "Terminal", "TestSupport", "WireJSON"]),
        domain.tests(
            "DomainStatusTests", ["Domain", "DomainRuntime", "DomainStatus", "TestSupport", "WireJSON", logging]),
        domain.tests(
            "DomainSettingsTests", ["Domain", "DomainMirror", "DomainSettings", "Service", "TestSupport", logging]),
        domain.tests(
            "BerthDomainTests",
            [
                "CTestSupport", "Domain", "DomainDemo", "DomainRPC", "DomainSettings", "DomainStore",
                "DomainWire", "Redis", "TestSupport", "WireJSON", "berth-domain",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
