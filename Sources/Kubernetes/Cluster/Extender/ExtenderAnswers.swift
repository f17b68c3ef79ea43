internal import Bindings
import WireJSON

/// What kube-scheduler gets for an answer, as JSON.
enum ExtenderAnswers {
    /// An `ExtenderFilterResult`, in the form of the question. Nodes are given back by their names alone, which is all
    /// that a scheduler reads of them.
    ///
    /// Nodes that would fit if other pods went are `FailedNodes`; those where no eviction helps are
    /// `FailedAndUnresolvableNodes`.
    static func filter(_ filtered: ClusterCPUs.Filtered, _ candidates: ExtenderArgs.Candidates) -> [UInt8] {
        let count = filtered.fitting.count + filtered.refused.count
        return JSONWriter.object(capacity: 256 + count * 96) { writer in
            writer.name("Nodes")
            if case .nodes = candidates {
                writer.object { list in
                    list.name("items")
                    list.array { items in
                        for name in filtered.fitting {
                            items.object { node in
                                node.name("metadata")
                                node.object { $0.member("name", name) }
                            }
                        }
                    }
                }
            } else {
                writer.null()
            }
            writer.name("NodeNames")
            if case .names = candidates {
                writer.array { names in for name in filtered.fitting { names.string(name) } }
            } else {
                writer.null()
            }
            failed("FailedNodes", filtered.refused.lazy.filter { $0.reason.endsWithPods }, &writer)
            failed(
                "FailedAndUnresolvableNodes", filtered.refused.lazy.filter { !$0.reason.endsWithPods }, &writer)
            writer.member("Error", "")
        }
    }

    /// An `ExtenderFilterResult` that refuses to say: the pod comes back later, with this text as its event.
    static func filterError(_ text: String) -> [UInt8] {
        JSONWriter.object { writer in
            for name in ["Nodes", "NodeNames", "FailedNodes", "FailedAndUnresolvableNodes"] {
                writer.name(name)
                writer.null()
            }
            writer.member("Error", text)
        }
    }

    /// A `HostPriorityList`.
    static func priorities(_ names: [String], _ scores: [Int]) -> [UInt8] {
        var writer = JSONWriter(capacity: 16 + names.count * 64)
        writer.array { list in
            for (name, score) in zip(names, scores) {
                list.object {
                    $0.member("Host", name)
                    $0.member("Score", score)
                }
            }
        }
        return writer.bytes
    }

    /// An `ExtenderBindingResult`; an empty text says that the pod is bound.
    static func bind(_ error: String) -> [UInt8] { JSONWriter.object { $0.member("Error", error) } }

    private static func failed(
        _ name: String, _ refused: some Sequence<ClusterCPUs.Filtered.Refused>, _ writer: inout JSONWriter
    ) {
        writer.name(name)
        // Many nodes have the same reason, and one after another.
        var last: (reason: FilterRefusal, text: [UInt8])?
        writer.object { object in
            for node in refused {
                object.name(node.node)
                if let last, last.reason == node.reason {
                    object.encoded(last.text)
                } else {
                    let text = JSONValue.string(node.reason.description).bytes
                    object.encoded(text)
                    last = (node.reason, text)
                }
            }
        }
    }
}

extension FilterRefusal {
    /// Whether the pod would fit if others went.
    fileprivate var endsWithPods: Bool {
        switch self {
        case .noTopology, .unknownFamily, .chosen: false
        case .allReserved, .request, .limit, .starves: true
        }
    }
}
