import Service
import Testing

/// The settings of `berthd`.
@Suite struct ConfigurationTests {
    @Test("every key is taken from the file, in the forms that TOML has")
    func everyKey() throws {
        var configuration = DaemonConfiguration()
        try configuration.merge(
            toml: """
                # A comment.
                socket = "/a/socket"
                state-dir = '/a/state'
                socket-mode = "0666"
                socket-owner = "daemon"
                socket-group = 12
                admin-group = "adm"
                access-group = 0
                audit-log = "/a/log"
                log-level = "trace"
                policy = ["keep-pins", "prefer-free"]
                name-limit = 64
                connections-per-uid = 1
                read-timeout = 3_600
                write-timeout = "7"
                machine = "/a/machine.json"
                sysfs-root = "/a/sys"
                simulate = true
                import-state = "/a/state.json"
                """, file: "berthd.toml")
        var expected = DaemonConfiguration()
        expected.socket = "/a/socket"
        expected.stateDirectory = "/a/state"
        expected.socketMode = 0o666
        expected.socketOwner = "daemon"
        expected.socketGroup = "12"
        expected.adminGroup = "adm"
        expected.accessGroup = "0"
        expected.auditLog = "/a/log"
        expected.logLevel = "trace"
        expected.policy = ["keep-pins", "prefer-free"]
        expected.nameLimit = 64
        expected.connectionsPerUID = 1
        expected.readTimeout = 3600
        expected.writeTimeout = 7
        expected.machine = "/a/machine.json"
        expected.sysfsRoot = "/a/sys"
        expected.simulate = true
        expected.importState = "/a/state.json"
        #expect(configuration == expected)
        #expect(expected != DaemonConfiguration())
    }

    @Test("each key that changes is named as changed, and shown as a flag takes it")
    func changes() throws {
        let old = DaemonConfiguration()
        #expect(old.changes(from: old) == [])
        for (key, text) in [
            ("socket", "/s"), ("state-dir", "/d"), ("socket-mode", "0600"), ("socket-owner", "1"),
            ("socket-group", "g"), ("admin-group", "a"), ("access-group", "b"), ("audit-log", "/l"),
            ("log-level", "error"), ("policy", "keep-pins,whole-cores"), ("name-limit", "7"),
            ("connections-per-uid", "65536"), ("http-socket", "off"), ("read-timeout", "1"), ("write-timeout", "2"),
            ("machine", "/m"),
            ("sysfs-root", "/r"), ("simulate", "true"), ("import-state", "/i"),
        ] {
            var new = old
            try new.set(key, to: text)
            #expect(new.changes(from: old) == [key] && new.shown(key) == text)
        }
        #expect(old.shown("policy") == "none" && old.shown("socket-mode") == "0660")
    }

    @Test("a flag sets the same as the file, and goes before it")
    func flags() throws {
        let texts = [
            "socket": "/s", "state-dir": "/d", "socket-mode": "600", "socket-owner": "1", "socket-group": "g",
            "admin-group": "a", "access-group": "b", "audit-log": "/l", "log-level": "error",
            "policy": "keep-pins,whole-cores", "name-limit": "0", "connections-per-uid": "65536", "read-timeout": "1",
            "http-socket": "/h", "http-requests-per-second": "9",
            "write-timeout": "2", "commit-timeout": "3", "extensions": "cpu-pools", "pools.general": "2-5",
            "enforcement.mode": "off", "enforcement.housekeeping": "0-1", "enforcement.repair": "false",
            "enforcement.offline": "refill", "http-tls-listen": "127.0.0.1:1",
            "http-tls-certificate": "/c", "http-tls-key": "/k", "http-tls-client-ca": "/a",
            "enforcement.on-stop": "restore", "limits.cpus-per-uid": "4", "machine": "/m", "sysfs-root": "/r",
            "simulate": "true", "import-state": "/i",
        ]
        #expect(Set(texts.keys) == Set(DaemonConfiguration.keys))
        var flags = DaemonConfiguration()
        for (key, text) in texts { try flags.set(key, to: text) }
        var file = DaemonConfiguration()
        try file.merge(toml: texts.map { "\($0) = \"\($1)\"" }.joined(separator: "\n"), file: "f")
        #expect(flags == file)
        #expect(flags.policy == ["keep-pins", "whole-cores"] && flags.socketMode == 0o600)
        try file.set("read-timeout", to: "9")
        #expect(file.readTimeout == 9)
        #expect(throws: ConfigurationError("state-dir takes a path")) { try file.set("state-dir", to: "a\0b") }
    }

    @Test("without a file all is as documented")
    func defaults() throws {
        var configuration = DaemonConfiguration()
        try configuration.merge(toml: "", file: "f")
        #expect(configuration == DaemonConfiguration())
        #expect(configuration.socketMode == 0o660 && configuration.connectionsPerUID == 512)
        #expect(configuration.readTimeout == 5 && configuration.writeTimeout == 5 && configuration.nameLimit == 0)
        #expect(configuration.policy.isEmpty && !configuration.simulate && configuration.sysfsRoot == "/sys")
    }

    @Test(
        "what is wrong with a setting is said, with the file and the key",
        arguments: [
            (#"nonsense = 1"#, #"unknown key "nonsense""#), ("\"a\\nb\" = 1", #"unknown key "a\nb""#),
            ("[socket]\npath = 1", "socket takes text"), ("[berthd]", #"unknown key "berthd""#),
            ("socket = true", "socket takes text"), ("socket = 5", "socket takes text"),
            ("socket = \"\"", "socket takes a path"),
            ("socket-mode = 0o660", "socket-mode takes text, an octal mode"),
            ("socket-mode = 660", "socket-mode takes text, an octal mode"),
            ("socket-mode = \"1777\"", "socket-mode takes an octal mode such as 0660, not \"1777\""),
            ("socket-mode = \"-1\"", "socket-mode"), ("socket-mode = \"\"", "socket-mode"),
            ("log-level = \"LOUD\"", "log-level takes trace, debug"), ("log-level = 1", "log-level takes text"),
            ("policy = [1]", "policy takes a list of texts"), ("policy = 1", "policy takes a list of texts"),
            ("machine = [\"a\"]", "machine takes text"),
            ("name-limit = -1", "name-limit takes a number from 0 to 65536, not \"-1\""),
            ("name-limit = 65537", "name-limit takes a number from 0 to 65536"),
            ("connections-per-uid = 0", "connections-per-uid takes a number from 1"),
            ("read-timeout = 1.5", "read-timeout takes a number"), ("read-timeout = 0", "read-timeout"),
            ("write-timeout = 3601", "write-timeout takes a number from 1 to 3600"),
            ("write-timeout = \"1e3\"", "write-timeout"), ("write-timeout = true", "write-timeout takes a number"),
            ("simulate = \"yes\"", "simulate takes true, false"), ("simulate = 1", "simulate takes true or false"),
            ("import-state = 1979-05-27", "import-state takes text"),
            ("read-timeout = 99999999999999999999", "not TOML"), ("read-timeout = 1\nread-timeout = 2", "not TOML"),
            ("socket", "not TOML"), ("socket = \"a", "not TOML"), ("socket = \"\\ud800\"", "not TOML"),
        ])
    func wrong(toml: String, message: String) {
        var configuration = DaemonConfiguration()
        let error = #expect(throws: ConfigurationError.self) {
            try configuration.merge(toml: toml, file: "/etc/berthd.toml")
        }
        #expect(error?.message.hasPrefix("/etc/berthd.toml: ") == true)
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
        #expect(error?.message.contains("\n") == false || message == "not TOML")
    }
}
