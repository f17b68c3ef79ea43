import ClusterStandIn
import Glibc
import TestSupport
import Testing

/// What an operator types. The server is the stand-in, the client is the real `kubectl`.
@Suite(.needsKubectl) struct KubectlTests {
    @Test("the definitions of deploy/kubernetes are applied, established and those of the library")
    func definitions() async throws {
        try await Kubectl.running(definitions: false) { kubectl in
            let crds = "\(Kubectl.root)/deploy/kubernetes/crds"
            let applied = try await kubectl("apply", "-k", crds)
            #expect(applied.status == 0)
            #expect(applied.text.contains("podcpubindings.cslab.ece.ntua.gr created"))
            let waited = try await kubectl("wait", "--for=condition=established", "--timeout=10s", "crd", "--all")
            #expect(waited.status == 0 && waited.text.contains("nodecputopologies.cslab.ece.ntua.gr condition met"))
            let again = try await kubectl("apply", "-k", crds)
            #expect(again.text.contains("unchanged") && !again.text.contains("configured"))
            let names = try await kubectl("api-resources", "--api-group=cslab.ece.ntua.gr", "--no-headers")
            #expect(names.text.contains("nct") && names.text.contains("NodeCPUTopology"))
            let explained = try await kubectl("explain", "pcb.spec.cpuSet")
            #expect(explained.text.contains("The logical CPUs that the pod runs on."))
            let specs = try await kubectl("get", "crd", "-o", "jsonpath={.items[*].spec.versions[0].schema}")
            try await Kubectl.running { other in
                let library = try await other("get", "crd", "-o", "jsonpath={.items[*].spec.versions[0].schema}")
                func bare(_ text: String) -> String { text.replacing(/"description":"[^"]*",?/, with: "") }
                #expect(bare(specs.text) == bare(library.text))
            }
        }
    }

    @Test("get shows the columns, describe the fields, -o yaml the object")
    func get() async throws {
        try await Kubectl.running { kubectl in
            let created = try await kubectl("create", "-f", try kubectl.file("b.yaml", Kubectl.binding))
            #expect(created.text == "podcpubinding.cslab.ece.ntua.gr/web-pcb created\n")
            kubectl.setStatus("Applied")
            let table = try await kubectl("get", "pcb").text.split(separator: "\n")
            #expect(
                table.first?.split(separator: /\s{2,}/)
                    == ["NAME", "POD NAME", "NODE NAME", "EXCLUSIVENESS LEVEL", "RESOURCE STATUS"])
            #expect(table.last?.split(separator: /\s+/) == ["web-pcb", "web", "node-1", "Core", "Applied"])
            let empty = try await kubectl("get", "nct")
            #expect(empty.text == "No resources found\n")
            let yaml = try await kubectl("get", "pcb", "web-pcb", "-o", "yaml")
            #expect(yaml.text.contains("exclusivenessLevel: Core") && yaml.text.contains("generation: 1"))
            let described = try await kubectl("describe", "pcb", "web-pcb")
            #expect(described.status == 0 && described.text.contains("Exclusiveness Level:  Core"))
            let explained = try await kubectl("explain", "pcb.spec.cpuSet")
            #expect(explained.text.contains("KIND:       PodCPUBinding") && explained.text.contains("cpuID"))
            let builtin = try await kubectl("explain", "pods.spec.containers.image")
            #expect(builtin.status == 0 && builtin.text.contains("image <string>"))
            let missing = try await kubectl("get", "pcb", "none")
            #expect(missing.status == 1)
            #expect(
                missing.text
                    == "Error from server (NotFound): podcpubindings.cslab.ece.ntua.gr \"none\" not found\n")
        }
    }

    @Test("patch, replace, edit, label and annotate change an object; an old version is refused")
    func change() async throws {
        try await Kubectl.running { kubectl in
            let file = try kubectl.file("b.yaml", Kubectl.binding)
            try await kubectl("create", "-f", file)
            let old = try await kubectl("get", "pcb", "web-pcb", "-o", "yaml").text
            let merge = try await kubectl(
                "patch", "pcb", "web-pcb", "--type=merge", "-p", #"{"spec": {"exclusivenessLevel": "NUMA"}}"#)
            #expect(merge.text.contains("patched"))
            let json = try await kubectl(
                "patch", "pcb", "web-pcb", "--type=json", "-p", #"[{"op": "remove", "path": "/spec/cpuSet/0"}]"#)
            #expect(json.text.contains("patched"))
            let strategic = try await kubectl("patch", "pcb", "web-pcb", "-p", "{}")
            #expect(strategic.status == 1 && strategic.text.contains("unknown format"))
            let stale = try await kubectl("replace", "-f", try kubectl.file("old.yaml", old))
            #expect(stale.status == 1 && stale.text.contains("the object has been modified"))
            let status = try await kubectl(
                "patch", "pcb", "web-pcb", "--subresource=status", "--type=merge", "-p",
                #"{"status": {"resourceStatus": "Pending", "nodeName": ""}}"#)
            #expect(status.text.contains("patched"))
            let editor = try kubectl.file("editor", "#!/bin/sh\nsed -i 's/podName: web/podName: edited/' \"$1\"\n")
            chmod(editor, 0o755)
            #expect(try await kubectl("edit", "pcb", "web-pcb").text.contains("edited"))
            #expect(try await kubectl("label", "pcb", "web-pcb", "tier=gold").text.contains("labeled"))
            #expect(try await kubectl("annotate", "pcb", "web-pcb", "note=yes").text.contains("annotated"))
            let shown = try await kubectl(
                "get", "pcb", "-l", "tier=gold", "-o",
                "jsonpath={.items[0].spec.podName} {.items[0].spec.cpuSet} {.items[0].metadata.generation}")
            #expect(shown.text == #"edited [{"cpuID":3}] 4"#)
            let forced = try await kubectl("replace", "--force", "-f", file)
            #expect(forced.status == 0 && forced.text.contains("replaced"))
        }
    }

    @Test("what is invalid is refused with the field; what is unknown, too")
    func invalid() async throws {
        try await Kubectl.running { kubectl in
            let level = Kubectl.binding.replacing("Core", with: "Sometimes")
            let refused = try await kubectl("create", "-f", try kubectl.file("l.yaml", level))
            #expect(refused.status == 1)
            #expect(
                refused.text.contains(
                    #"The PodCPUBinding "web-pcb" is invalid: spec.exclusivenessLevel: Unsupported value: "Sometimes": supported values: "None", "CPU", "Core", "Socket", "NUMA""#
                ))
            let unknown = Kubectl.binding + "\n  color: red"
            let strict = try await kubectl("create", "-f", try kubectl.file("u.yaml", unknown))
            #expect(strict.status == 1)
            #expect(strict.text.contains(#"strict decoding error: unknown field "spec.color""#))
            let warned = try await kubectl("create", "--validate=warn", "-f", "\(kubectl.directory.path)/u.yaml")
            #expect(warned.status == 0 && warned.text.contains(#"Warning: unknown field "spec.color""#))
        }
    }

    @Test(
        "apply merges three ways; server-side, it conflicts with other managers and can be forced; a dry run changes nothing"
    )
    func apply() async throws {
        try await Kubectl.running { kubectl in
            let file = try kubectl.file("b.yaml", Kubectl.binding)
            #expect(
                try await kubectl("apply", "--dry-run=server", "-f", file).text.contains("created (server dry run)"))
            #expect(try await kubectl("get", "pcb").text.contains("No resources found"))
            #expect(try await kubectl("apply", "-f", file).text.contains("created"))
            #expect(try await kubectl("apply", "-f", file).text.contains("unchanged"))
            try await kubectl("delete", "-f", file)
            let applied = try await kubectl("apply", "--server-side", "--field-manager=one", "-f", file)
            #expect(applied.text.contains("serverside-applied"))
            let other = try kubectl.file("o.yaml", Kubectl.binding.replacing("Core", with: "CPU"))
            let conflict = try await kubectl("apply", "--server-side", "--field-manager=two", "-f", other)
            #expect(conflict.status == 1)
            #expect(
                conflict.text.contains(
                    #"Apply failed with 1 conflict: conflict with "one": .spec.exclusivenessLevel"#))
            let forced = try await kubectl(
                "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", other)
            #expect(forced.text.contains("serverside-applied"))
            let deployment = """
                apiVersion: apps/v1
                kind: Deployment
                metadata: {name: d}
                spec:
                  selector: {matchLabels: {app: d}}
                  template:
                    metadata: {labels: {app: d}}
                    spec: {containers: [{name: c, image: "example.org/c:1"}]}
                """
            let path = try kubectl.file("d.yaml", deployment)
            #expect(try await kubectl("apply", "-f", path).text.contains("created"))
            #expect(try await kubectl("apply", "-f", path).text.contains("unchanged"))
            let newer = try kubectl.file("n.yaml", deployment.replacing("c:1", with: "c:2"))
            #expect(try await kubectl("apply", "-f", newer).text.contains("configured"))
            // From one way of applying to the other, and again.
            let moved = try await kubectl("apply", "--server-side", "-f", newer)
            #expect(moved.status == 0 && moved.text == "deployment.apps/d serverside-applied\n")
            #expect(try await kubectl("apply", "--server-side", "-f", newer).status == 0)
            #expect(try await kubectl("scale", "deployment/d", "--replicas=3").text.contains("scaled"))
            #expect(try await kubectl("get", "deploy", "d", "-o", "wide").text.contains("0/3"))
        }
    }

    @Test("wait waits for a status and for a deletion, get -w shows changes as they come")
    func watching() async throws {
        try await Kubectl.running { kubectl in
            try await kubectl("create", "-f", try kubectl.file("b.yaml", Kubectl.binding))
            let watch = try kubectl.start("get", "pcb", "-w")
            let wait = try kubectl.start(
                "wait", "--for=jsonpath={.status.resourceStatus}=Applied", "--timeout=30s", "pcb/web-pcb")
            #expect(try await watch.prints("web-pcb"))
            kubectl.setStatus("Validated")
            kubectl.setStatus("Applied")
            #expect(try await wait.end(seconds: 30) == 0)
            #expect(try await watch.prints("Validated"))
            #expect(try await watch.prints("Applied"))
            let gone = try kubectl.start("wait", "--for=delete", "--timeout=30s", "pcb/web-pcb", "--v=0")
            let deleted = try await kubectl("delete", "pcb", "web-pcb")
            #expect(deleted.text.contains(#"podcpubinding.cslab.ece.ntua.gr "web-pcb" deleted"#))
            #expect(try await gone.end(seconds: 30) == 0)
        }
    }

    @Test("pods: get, describe with events, logs, cordon, drain, delete")
    func pods() async throws {
        try await Kubectl.running { kubectl in
            let pod = """
                apiVersion: v1
                kind: Pod
                metadata: {name: web, labels: {app: web}}
                spec: {nodeName: node-1, containers: [{name: main, image: "example.org/main:1"}]}
                ---
                apiVersion: v1
                kind: Node
                metadata: {name: node-1}
                ---
                apiVersion: v1
                kind: Event
                metadata: {name: web.1}
                involvedObject: {apiVersion: v1, kind: Pod, name: web, namespace: default}
                reason: Pinned
                message: it runs on the CPUs 2-3
                type: Normal
                source: {component: berth}
                firstTimestamp: "2024-01-01T00:00:00Z"
                lastTimestamp: "2024-01-01T00:00:00Z"
                count: 1
                """
            let created = try await kubectl("create", "-f", try kubectl.file("p.yaml", pod))
            #expect(created.status == 0)
            let wide = try await kubectl("get", "pods", "-A", "-o", "wide")
            #expect(wide.text.contains("node-1") && wide.text.contains("0/1") && wide.text.contains("Pending"))
            let events = try await kubectl("get", "events")
            #expect(events.text.contains("pod/web") && events.text.contains("it runs on the CPUs 2-3"))
            // Events are those of the object with this uid.
            let uid = try await kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}").text
            kubectl.server.patchEvent("web.1", uid: uid)
            let described = try await kubectl("describe", "pod", "web")
            #expect(described.status == 0 && described.text.contains("Pinned"))
            kubectl.server.withCluster { $0.logs["default/web"] = "hello\n" }
            #expect(try await kubectl("logs", "web").text == "hello\n")
            #expect(try await kubectl("cordon", "node-1").text.contains("cordoned"))
            #expect(try await kubectl("get", "node", "node-1").text.contains("SchedulingDisabled"))
            let drained = try await kubectl("drain", "node-1", "--force", "--timeout=2s")
            #expect(drained.text.contains("evicting pod default/web"))
            #expect(try await kubectl("get", "pod", "web").text.contains("Terminating"))
            let killed = try await kubectl("delete", "pod", "web", "--grace-period=0", "--force")
            #expect(killed.status == 0)
            #expect(try await kubectl("get", "pods").text.contains("No resources found in default namespace."))
            #expect(try await kubectl("create", "namespace", "team").status == 0)
            #expect(try await kubectl("delete", "namespace", "team", "--timeout=20s").status == 0)
        }
    }

    @Test("auth can-i, whoami and --as tell what a user may do")
    func access() async throws {
        try await Kubectl.running { kubectl in
            #expect(try await kubectl("auth", "can-i", "delete", "pods").text == "yes\n")
            let denied = try await kubectl("auth", "can-i", "list", "pods", user: "bob")
            #expect(denied.status == 1 && denied.text == "no\n")
            let forbidden = try await kubectl("get", "pods", user: "bob")
            #expect(
                forbidden.text
                    == "Error from server (Forbidden): pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"\n"
            )
            try await kubectl("create", "role", "r", "--verb=list", "--resource=pods")
            try await kubectl("create", "rolebinding", "r", "--role=r", "--group=developers")
            #expect(try await kubectl("get", "pods", user: "bob").text.contains("No resources found"))
            #expect(
                try await kubectl("auth", "can-i", "list", "pods", "--as=eve", "--as-group=developers").text == "yes\n")
            #expect(try await kubectl("auth", "whoami", user: "bob").text.contains("developers"))
            let rules = try await kubectl("auth", "can-i", "--list", user: "bob")
            #expect(rules.text.contains("selfsubjectaccessreviews.authorization.k8s.io"))
            #expect(try await kubectl("create", "token", "default").text.hasPrefix("standin."))
        }
    }

    @Test("the program serves what its kubeconfig leads to, and ends when it is told")
    func program() async throws {
        let directory = try TemporaryDirectory()
        let file = "\(directory.path)/kubeconfig"
        let program = try Program(
            [try Program.built("berth-cluster-standin"), "--kubeconfig", file, "--definitions"],
            output: "\(directory.path)/output")
        #expect(try await program.prints("is served", seconds: 30))
        let kubectl = try #require(Kubectl.path)
        let environment = ["KUBECONFIG": file, "HOME": directory.path]
        let version = try await Program.run([kubectl, "version"], environment: environment)
        #expect(version.text.contains("Server Version: v1.36.2"))
        let kinds = try await Program.run([kubectl, "get", "nct,pcb"], environment: environment)
        #expect(kinds.status == 0)
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }
}

extension StandInServer {
    fileprivate func patchEvent(_ name: String, uid: String) {
        _ = send(
            StandInRequest(
                "PATCH", "/api/v1/namespaces/default/events/\(name)",
                body: Array(#"{"involvedObject": {"uid": "\#(uid)"}}"#.utf8),
                contentType: "application/merge-patch+json"))
    }
}
