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
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHPACK = Target.Dependency.product(name: "NIOHPACK", package: "swift-nio-http2")
let nioHTTP2 = Target.Dependency.product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let hummingbird = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let toml = Target.Dependency.product(name: "TOMLKit", package: "TOMLKit")

/// A Swift target of ours: strict settings, and only the targets named here may be imported (`make lint` checks).
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "berth",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "berthd", targets: ["berthd"]),
        .executable(name: "berth", targets: ["berth"]),
        .executable(name: "berth-domain", targets: ["berth-domain"]),
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
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-http2.git", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.0"),
        // Without its traits, which would bring full Foundation and readers of configuration.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.8.0", traits: []),
    ],
    targets: [
        // System calls and C libraries.
        .target(name: "CLinux"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        // Without its pkg-config file, whose flags the package manager refuses with a warning.
        .systemLibrary(name: "CHiredis"),

        // Pure values.
        module("Machine"),
        module("Placement", ["Machine"]),
        module("Ledger", ["Machine", "Placement"]),
        module("Domain"),

        // Beside them.
        module("WireJSON"),
        module("Terminal"),
        module("Service", ["CLinux", "WireJSON", logging, toml]),

        // I/O with the outside.
        module("Storage", ["CLinux", "CSQLite"]),
        module("Redis", ["CHiredis"]),
        module("LedgerStore", ["Ledger", "Machine", "Storage", "WireJSON"]),
        module("DomainStore", ["Domain", "Storage", "WireJSON"]),
        module("DomainMirror", ["Domain", "WireJSON"]),
        // What others see of a domain: its mirror, read again.
        module("DomainView", ["Domain", "Terminal", "WireJSON"]),
        module("DomainReader", ["Domain", "DomainView", "Redis"]),
        module("DomainSettings", ["Domain", "DomainMirror", "Service", logging, toml]),
        module("DomainShell", ["Domain", "Service", logging]),
        module("DomainProxy", ["Domain", "DomainMirror", "DomainShell", "Redis", "Service", logging]),
        module("DomainStatus", ["Domain", "DomainShell", "WireJSON"]),
        module("Host", ["Ledger", "LedgerStore", "Machine", "Placement", "Service"]),

        // Faces and what reaches them.
        module("EPASocket", ["CLinux", "Host", "Ledger", "Machine", "Service", "WireJSON", logging]),
        module("Client", ["CLinux", "Machine", "WireJSON"]),
        module("Rendering", ["Client", "Machine", "Terminal"]),

        // The edge domain's wire: messages as values (their Swift code is generated: `make protos`).
        module("DomainWire", ["Domain", crypto, grpc, grpcProtobuf, protobuf]),
        module(
            "DomainRPC",
            [
                "Domain", "DomainWire", "Service", grpc, grpcTransport, logging, nio, nioHPACK, nioHTTP2, nioPosix,
                nioSSL, nioTLS, protobuf, toml, x509,
            ]),

        // A domain as operators see it, over HTTP.
        module(
            "DomainHTTP", ["Domain", "DomainShell", "DomainStatus", hummingbird, httpTypes, logging, nio, nioPosix]),

        // Programs.
        program(
            "berthd",
            [
                "EPASocket", "Host", "Ledger", "LedgerStore", "Machine", "Service", "Storage",
                arguments, logging, unixSignals,
            ]),
        program(
            "berth-domain",
            [
                "Domain", "DomainHTTP", "DomainProxy", "DomainRPC", "DomainReader", "DomainSettings", "DomainShell",
                "DomainStatus", "DomainStore", "DomainView", "DomainWire", "Redis", "Service", "Storage", "Terminal",
                "WireJSON", arguments, logging, unixSignals,
            ]),
        program("berth", ["Client", "Machine", "Rendering", "Terminal", "WireJSON", arguments]),

        // Measurement (make bench).
        program("berth-bench", ["Ledger", "Machine", "Placement"]),
        program(
            "berth-domain-bench",
            [
                "Domain", "DomainRPC", "DomainStore", "DomainWire", "WireJSON",
                arguments, grpc, grpcTransport, protobuf,
            ]),

        // A node and a controller to try a domain with, for tests and demonstrations.
        module("DomainPeers", ["Domain", "DomainRPC", "DomainWire", grpc, nio, protobuf]),

        // make demo-domain.
        program("berth-domain-demo", ["Domain", "DomainPeers", "DomainWire"]),

        // Whole domains over simulated time (make simulate).
        module("DomainSimulation", ["Domain", "DomainMirror"]),
        program("berth-simulate", ["DomainSimulation", arguments]),

        // Test support.
        .target(name: "CFaultVFS", dependencies: ["CSQLite"]),

        .target(name: "CTestSupport"),
        module("TestSupport", ["CLinux", "CTestSupport"]),
        tests("MachineTests", ["Machine", "TestSupport"]),
        tests("WireJSONTests", ["TestSupport", "WireJSON"]),
        tests(
            "EPASocketTests",
            [
                "CFaultVFS", "CSQLite", "EPASocket", "Host", "Ledger", "LedgerStore", "Machine", "Service",
                "TestSupport",
                "WireJSON", logging,
            ]),
        tests("ClientTests", ["Client", "Machine", "TestSupport"]),
        .testTarget(
            name: "RenderingTests", dependencies: ["Client", "Machine", "Rendering", "Terminal", "TestSupport"],
            exclude: ["Golden"], swiftSettings: strict),
        tests("BerthTests", ["CTestSupport", "Machine", "Service", "TestSupport", "WireJSON"]),
        tests("DomainTests", ["Domain", "DomainSimulation"]),
        tests(
            "DomainStoreTests",
            ["CFaultVFS", "CSQLite", "Domain", "DomainSimulation", "DomainStore", "Storage", "TestSupport"]),
        // The process itself; the dependency on the program only has it built.
        tests(
            "BerthDomainTests",
            [
                "CTestSupport", "Domain", "DomainPeers", "DomainSettings", "DomainWire", "Redis", "TestSupport",
                "WireJSON", "berth-domain",
            ]),
        tests(
            "DomainViewTests",
            [
                "Domain", "DomainMirror", "DomainReader", "DomainView", "Redis", "Terminal", "TestSupport", "WireJSON",
            ]),
        tests("DomainMirrorTests", ["Domain", "DomainMirror", "DomainSimulation"]),
        tests(
            "DomainProxyTests",
            [
                "Domain", "DomainMirror", "DomainProxy", "DomainShell", "DomainSimulation", "Redis", "TestSupport",
                logging,
            ]),
        tests("DomainSettingsTests", ["Domain", "DomainMirror", "DomainSettings", "Service", "TestSupport", logging]),
        tests("DomainShellTests", ["Domain", "DomainShell", "TestSupport", logging]),
        tests("DomainStatusTests", ["Domain", "DomainShell", "DomainStatus", "TestSupport", "WireJSON"]),
        tests("DomainHTTPTests", ["Domain", "DomainHTTP", "DomainShell", "DomainStatus", "TestSupport", logging]),
        tests("RedisTests", ["Redis", "TestSupport"]),
        tests("LedgerTests", ["Ledger", "Machine", "Placement", "TestSupport"]),
        tests("StorageTests", ["CFaultVFS", "CSQLite", "Storage", "TestSupport"]),
        tests("ServiceTests", ["Service", "TestSupport", "WireJSON", logging]),
        tests("DomainWireTests", ["Domain", "DomainWire", "TestSupport", protobuf]),
        tests(
            "DomainRPCTests",
            [
                "Domain", "DomainPeers", "DomainRPC", "DomainShell", "DomainWire", "Service", "TestSupport", grpc,
                logging,
                protobuf,
            ]),
        tests(
            "LedgerStoreTests",
            [
                "CFaultVFS", "CSQLite", "Ledger", "LedgerStore", "Machine", "Storage", "TestSupport",
            ]),
        // The process itself; the dependency on the program only has it built.
        tests("BerthdTests", ["TestSupport", "WireJSON", "berthd"]),
    ],
    swiftLanguageModes: [.v6]
)
