import EPAClient
import Machine
import Rendering
import Terminal
import Testing

@Suite("Text for people")
struct TextTests {
    @Test(
        "A name from outside stays one word on one line",
        arguments: [
            ("ovs-dpdk", "ovs-dpdk"), ("größe", "größe"), ("数据", "数据"), ("", "\"\""), ("a b", "\"a b\""),
            ("a\"b", #""a\"b""#), ("a\\b", #"a\\b"#), ("a\nb\tc\r", #"a\nb\tc\r"#), ("\u{1B}[31m", #"\u{1B}[31m"#),
            ("\u{9B}2J", #"\u{9B}2J"#), ("\u{7F}", #"\u{7F}"#), ("a\u{202E}b\u{2066}", #"a\u{202E}b\u{2066}"#),
            ("a\u{200B}\u{FEFF}", #"a\u{200B}\u{FEFF}"#), ("a\u{A0}b\u{3000}", #"a\u{A0}b\u{3000}"#),
            ("\u{2028}\u{2029}\u{85}", #"\u{2028}\u{2029}\u{85}"#),
            ("\u{301}a\u{301}\u{301}", "\\u{301}a\u{301}\\u{301}"),
            ("\u{E0041}", #"\u{E0041}"#), ("\u{3164}\u{2800}", #"\u{3164}\u{2800}"#),
        ])
    func escaping(name: String, shown: String) {
        #expect(Printable.name(name).unicodeScalars.elementsEqual(shown.unicodeScalars), "\(Printable.name(name))")
    }

    @Test("The table of allocations is aligned, plain in a pipe, with a summary on a terminal")
    func allocations() throws {
        let list = try Example.list([("nova", "2-7", false), ("数据 x", "10", true)], of: 24)
        #expect(
            Tables.allocations(list, style: .plain).rendered(.plain) == """
                SERVICE   COUNT  PROTECTION  CPUS
                nova          6  automatic   2-7
                "数据 x"      1  explicit    10

                """)
        var terminal = Style.plain
        terminal.isTerminal = true
        #expect(
            Tables.allocations(list, style: terminal).rendered(terminal).hasSuffix(
                "\n\n24 isolated CPUs: 7 held by 2 services, 17 free\n"))
    }

    @Test("A long name is cut on a terminal and whole in a pipe")
    func longName() throws {
        let name = String(repeating: "n", count: 100)
        let list = try Example.list([(name, "2", false)], of: 24)
        var terminal = Style.plain
        terminal.isTerminal = true
        #expect(Tables.allocations(list, style: .plain).rendered(.plain).contains(name))
        #expect(!Tables.allocations(list, style: terminal).rendered(terminal).contains(name))
    }

    @Test("The table of huge pages names who booked, sizes without a pool too")
    func memory() {
        let memory = MemoryInfo(nodes: [
            MemoryInfo.Node(
                id: 3, pools: [MemoryInfo.Pool(sizeKB: 2048, total: 8, free: 3)],
                bookings: [
                    MemoryInfo.Booking(service: "a", sizeKB: 2048, count: 4),
                    MemoryInfo.Booking(service: "b c", sizeKB: 2048, count: 1),
                    MemoryInfo.Booking(service: "a", sizeKB: 64, count: 2),
                ])
        ])
        #expect(
            Tables.memory(memory, style: .plain).rendered(.plain) == """
                NODE  SIZE  TOTAL  FREE  BOOKED  BY
                   3   64K      -     -       2  a=2
                   3    2M      8     3       5  a=4 "b c"=1

                """)
    }

    @Test("The tree shows what contains what")
    func tree() throws {
        let text = TopologyTree(title: "hybrid", machine: try Example.hybrid, style: .plain).lines.rendered(.plain)
        #expect(
            text == """
                hybrid: 11 CPUs in 9 cores, 1 package, 2 NUMA nodes
                  online       0-10
                  offline      11
                  isolated     2-3,8-11
                  nohz_full    -
                  performance  0-3
                  efficiency   4-10

                Package 0, Node 0, L3  0-10  16 GiB
                |- Cluster  4-7  4 cores
                |- Cluster  8-10  3 cores
                `- 2 cores  0-1  2-3
                Node 2, no CPUs  128 GiB

                """)
    }
}
