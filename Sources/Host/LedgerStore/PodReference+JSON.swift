import Ledger
import WireJSON

/// A pod in a record: see ``Claim``.
extension PodReference {
    func write(to writer: inout JSONWriter) {
        writer.name("pod")
        writer.object { writer in
            writer.member("uid", uid)
            writer.name("containers")
            writer.array { array in
                for container in containers { array.object { container.writeMembers(&$0) } }
            }
        }
    }

    init(json: JSONValue) throws(RecordError) {
        try json.allow(["uid", "containers"], "a pod")
        var containers: [Container] = []
        for container in try json["containers"].elements("containers") {
            try container.allow(["name", "id"], "a container")
            containers.append(try Container(json: container))
        }
        guard let pod = PodReference(uid: try json["uid"].text("uid"), containers: containers) else {
            throw .malformed("a pod without a uid")
        }
        self = pod
    }
}

extension PodReference.Container {
    fileprivate func writeMembers(_ writer: inout JSONWriter) {
        writer.member("name", name)
        writer.member("id", id)
    }

    fileprivate init(json: JSONValue) throws(RecordError) {
        guard
            let container = PodReference.Container(
                name: try json["name"].text("name"), id: try json["id"].text("id"))
        else { throw .malformed("a container without an id") }
        self = container
    }
}

extension ContainerState {
    func write(to array: inout JSONWriter) {
        array.object { writer in
            container.writeMembers(&writer)
            if let cgroup { writer.member("cgroup", cgroup) }
            writer.member("state", state.rawValue)
        }
    }

    init(json: JSONValue) throws(RecordError) {
        try json.allow(["name", "id", "cgroup", "state"], "a container")
        guard let state = json["state"]?.string.flatMap(State.init) else {
            throw .malformed("a container without a known state")
        }
        self.init(try PodReference.Container(json: json), cgroup: try json["cgroup"]?.text("cgroup"), state)
    }
}
