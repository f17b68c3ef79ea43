"""What is checked of Berth on a cluster, in this order."""

import json

from access import SYSTEM, Failed, Skipped, binding
from setting import LEASE, MANIFESTS

PROMISES = []
FINALIZER = "cslab.ece.ntua.gr/pod-cpu-binding-finalizer"
# Those that have no kinds of others, which the cluster may lack.
OVERLAYS = ["kind", "systemd-containerd", "host-berthd"]


def promise(text):
    def register(check):
        PROMISES.append((text, check))
        return check
    return register


def expect(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


# The definitions and the manifests.

@promise("the API server takes every object of the overlays")
def _(setting):
    for name in OVERLAYS:
        built = setting.cluster.kubectl("kustomize", MANIFESTS / "overlays" / name)
        done = setting.cluster.run("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-",
                                   text=built)
        expect(done.returncode == 0, f"{name}: {done.stderr}")
        # kubectl warns of objects that were applied without --server-side before.
        warnings = [line for line in done.stderr.splitlines() if "last-applied-configuration" not in line]
        expect(not warnings, f"{name}: {warnings}")


@promise("kubectl shows the columns of both kinds by their short names")
def _(setting):
    node = setting.node()
    pod = setting.running(node)
    setting.bind("columns", pod, node.cores[0])
    table = [line.split("   ") for line in setting.cluster.kubectl("get", "nct,pcb").splitlines()]
    heads = [[cell.strip() for cell in line if cell.strip()] for line in table if line[0].startswith("NAME")]
    expect(heads == [
        ["NAME", "NODE", "RESOURCE STATUS"],
        ["NAME", "POD NAME", "NODE NAME", "EXCLUSIVENESS LEVEL", "RESOURCE STATUS"]], f"the heads are {heads}")
    shown = setting.cluster.kubectl("get", "pcb", "columns", "--no-headers").split()
    expect(shown == ["columns", pod, node.name, "CPU", "Applied"], f"the line is {shown}")
    setting.unbind("columns")


@promise("the definition refuses bindings that mean nothing, and drops members that it does not have")
def _(setting):
    good = binding("strange", "nobody", [1])
    for change, word in [
            ({"exclusivenessLevel": "core"}, "Unsupported value"), ({"podName": None}, "Required value"),
            ({"cpuSet": [{"cpuID": "1"}]}, "must be of type integer"), ({"cpuSet": [{}]}, "Required value")]:
        bad = dict(good, spec={key: value for key, value in {**good["spec"], **change}.items() if value is not None})
        done = setting.cluster.run("create", "--validate=false", "-f", "-", text=json.dumps(bad))
        expect(done.returncode and word in done.stderr, f"{change}: {done.stderr or 'it was taken'}")
    good["spec"]["colour"] = "red"
    done = setting.cluster.run("create", "--validate=strict", "-f", "-", text=json.dumps(good))
    expect(done.returncode and "colour" in done.stderr, f"an unknown member: {done.stderr or 'it was taken'}")
    setting.cluster.kubectl("create", "--validate=ignore", "-f", "-", text=json.dumps(good))
    expect("colour" not in setting.cluster.read("pcb", "strange")["spec"], "an unknown member was kept")
    setting.unbind("strange")


@promise("the service accounts may do what they must, and berth-node makes no binding")
def _(setting):
    def may(account, verb, resource):
        plural, _, subresource = resource.partition("/")
        return setting.cluster.run("auth", "can-i", verb, plural, f"--subresource={subresource}", "-A",
                                   f"--as=system:serviceaccount:{SYSTEM}:{account}").stdout.strip() == "yes"
    for account, verb, resource in [
            ("berth-controller", "list", "pods"), ("berth-controller", "create", "events"),
            ("berth-controller", "patch", "podcpubindings/status"), ("berth-controller", "create", "nodecputopologies"),
            ("berth-node", "patch", "podcpubindings/status"), ("berth-node", "patch", "nodecputopologies"),
            ("berth-scheduler", "create", "podcpubindings")]:
        expect(may(account, verb, resource), f"{account} may not {verb} {resource}")
    for account, verb, resource in [
            ("berth-node", "create", "podcpubindings"), ("berth-node", "patch", "podcpubindings"),
            ("berth-node", "delete", "podcpubindings"), ("berth-node", "delete", "pods"),
            ("berth-node", "get", "secrets"), ("berth-controller", "get", "secrets"),
            ("berth-controller", "delete", "pods")]:
        expect(not may(account, verb, resource), f"{account} may {verb} {resource}")


# The nodes.

@promise("each node has a topology, which goes with it")
def _(setting):
    def without():
        owners = {owner["uid"] for value in setting.cluster.read("nct")["items"]
                  for owner in value["metadata"].get("ownerReferences", [])}
        return {node["metadata"]["uid"] for node in setting.cluster.read("nodes")["items"]} - owners
    setting.cluster.until("a topology of each node", lambda: not without())
    if not setting.played:
        return
    name = f"{setting.cluster.namespace}-passing"
    setting.cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    setting.cluster.until("a topology", lambda: setting.cluster.find("nct", f"{name}-cputopology"))
    setting.cluster.kubectl("delete", "node", name)
    setting.cluster.until("no topology", lambda: not setting.cluster.find("nct", f"{name}-cputopology"))


@promise("the topologies of nodes with berth-node are fresh")
def _(setting):
    if setting.played:
        raise Skipped("the nodes are played")
    pods = setting.cluster.read("-n", SYSTEM, "pods", "-l", "app.kubernetes.io/component=node")["items"]
    names = {pod["spec"]["nodeName"] for pod in pods}
    if not names:
        raise Skipped("no node has berth-node")
    setting.cluster.until("fresh topologies", lambda: names <= {value["spec"]["nodeName"] for value in setting.fresh()})


# Bindings by hand.

@promise("a binding by hand pins a running pod, editing it moves the pod, deleting it gives everything back")
def _(setting):
    node = setting.node()
    one, other = node.cores[:2]
    pod = setting.running(node)
    setting.cluster.apply(binding("by-hand", pod, one))
    setting.cluster.kubectl("wait", "pcb/by-hand", "--for=condition=Applied", "--timeout=60s")
    found = setting.cluster.read("pcb", "by-hand")
    expect(found["metadata"]["finalizers"] == [FINALIZER], f"its finalizers are {found['metadata'].get('finalizers')}")
    running = [value["containerID"] for value in setting.cluster.read("pod", pod)["status"]["containerStatuses"]]
    expect(found["status"]["containers"] == sorted(running), f"the containers are {found['status']['containers']}")
    setting.runs_on(pod, one)

    setting.bind("by-hand", pod, other)
    setting.runs_on(pod, other)
    setting.cluster.until("both events", lambda: {"Validated", "Applied"} <= {
        event["reason"] for event in setting.events("by-hand")})

    setting.unbind("by-hand")
    setting.bind("next", pod, other)
    setting.unbind("next")


@promise("a sample of actimanager's manual pins a pod to whole cores")
def _(setting):
    node = setting.node()
    whole = node.cores[0]
    setting.bind("benchpod-1-binding", setting.running(node), whole[:1], level="Core")
    # Another thread of the core is not to be had.
    if len(whole) > 1:
        setting.bind("sibling", setting.running(node), whole[1:], status="CPUSetAllocationFailed")
        setting.unbind("sibling")
    setting.unbind("benchpod-1-binding")


@promise("what a binding asks for in vain, its status, condition and events say; it gets it when that changes")
def _(setting):
    node = setting.node()
    one, other = node.cores[:2]
    pod, second = setting.running(node), setting.running(node)
    for name, cpus, status, word in [(pod, [max(node.cpus) + 1, -1], "InvalidCPUSet", "do not exist"),
                                     (pod, one * 2, "InvalidCPUSet", "more than once"),
                                     ("nobody", one, "PodNotFound", "nobody")]:
        said = setting.bind("unknown", name, cpus, status=status)
        expect(word in said, said)
    setting.unbind("unknown")

    setting.bind("holder", pod, one)
    setting.bind("twice", pod, other, status="CPUSetAllocationFailed")
    setting.unbind("twice")
    said = setting.bind("waiting", second, [one[0], other[0]], status="CPUSetAllocationFailed")
    expect(str(one[0]) in said, said)
    described = setting.cluster.kubectl("describe", "pcb", "waiting")
    expect(said in described, f"kubectl describe does not say so: {described}")
    setting.cluster.until("a warning", lambda: "Warning" in [event["type"] for event in setting.events("waiting")])
    setting.unbind("holder")
    setting.settles("waiting", "Applied")
    setting.unbind("waiting")


@promise("a binding that others apply keeps its finalizer and its status")
def _(setting):
    node = setting.node()
    pod = setting.running(node)
    for _ in range(2):
        setting.cluster.apply(binding("applied", pod, node.cores[0]),
                              words=["--server-side", "--field-manager=operator"])
        setting.settles("applied", "Applied")
    found = setting.cluster.read("pcb", "applied", "--show-managed-fields")
    managers = {(value["manager"], value.get("subresource", "")) for value in found["metadata"]["managedFields"]}
    expect(("operator", "") in managers and ("berth-cluster", "status") in managers, f"the managers are {managers}")
    expect(found["metadata"]["finalizers"] == [FINALIZER], "the finalizer is gone")
    setting.unbind("applied")


@promise("a pod that is deleted takes its binding along")
def _(setting):
    node = setting.node()
    pod = setting.running(node)
    setting.bind("short", pod, node.cores[0])
    setting.cluster.kubectl("delete", "pod", pod, "--timeout=120s")
    setting.cluster.until("no binding", lambda: not setting.cluster.find("pcb", "short"))


# The scheduler.

@promise("a pod of the scheduler maestro gets a node, CPUs of its own, and a binding to show")
def _(setting):
    pod = setting.scheduled(cpus=2)
    found = setting.scheduling(pod)
    expect(found["status"]["nodeName"] == setting.cluster.read("pod", pod)["spec"]["nodeName"], "it names another node")
    setting.runs_on(pod, [entry["cpuID"] for entry in found["spec"]["cpuSet"]])
    setting.cluster.kubectl("delete", "pod", pod, "--timeout=120s")
    setting.cluster.until("no binding", lambda: not setting.cluster.find("pcb", f"{pod}-pcb"))


@promise("pods that come together get different CPUs")
def _(setting):
    pods = [setting.scheduled(cpus=1) for _ in range(3)]
    different(setting, pods)
    setting.cluster.kubectl("delete", "pod", *pods, "--timeout=120s")
    setting.cluster.until("no bindings", lambda: not setting.cluster.read("pcb")["items"])


@promise("a pod that fits no node waits, and its condition says why")
def _(setting):
    # More cores than any node has to give, but no more CPUs than one has: else kube-scheduler does not ask.
    wanted = max(len(node.cores) for node in setting.nodes()) + 1
    amounts = [node["status"]["allocatable"]["cpu"] for node in setting.cluster.read("nodes")["items"]]
    if wanted > max(float(amount.replace("m", "e-3")) for amount in amounts):
        raise Skipped(f"no node has {wanted} CPUs")
    pod = setting.scheduled(cpus=wanted)

    def said():
        conditions = setting.cluster.read("pod", pod)["status"]["conditions"]
        return next(value["message"] for value in conditions if value["type"] == "PodScheduled")
    setting.cluster.until("the reason", lambda: "not enough cores" in said())
    setting.cluster.kubectl("delete", "pod", pod)


def different(setting, pods):
    """Checks that no two pods have the same CPU."""
    found = [setting.scheduling(pod) for pod in pods]
    taken = [(value["status"]["nodeName"], entry["cpuID"]) for value in found for entry in value["spec"]["cpuSet"]]
    expect(len(taken) == len(set(taken)), f"they got {taken}")


# What fails.

@promise("when the controller that leads ends, the other one takes over")
def _(setting):
    cluster = setting.cluster

    def lease():
        spec = cluster.read("-n", SYSTEM, "lease", LEASE)["spec"]
        return spec["holderIdentity"], spec["renewTime"]
    if setting.programs:
        for name in "controller-1", "controller-2":
            setting.stop(name, kill=True)
            before = lease()
            cluster.until("a leader", lambda: lease()[1] > before[1])
            changed = lease()[0] != before[0]
            setting.start_controller(name)
            if changed:
                break
        expect(changed, "neither of the two was the leader")
    else:
        before, _ = lease()
        pods = cluster.read("-n", SYSTEM, "pods", "-l", "app.kubernetes.io/component=controller")["items"]
        leading = [pod["metadata"]["name"] for pod in pods if before.startswith(pod["metadata"]["name"])]
        if not leading:
            raise Skipped(f"no pod has the name of the leader {before}")
        cluster.kubectl("-n", SYSTEM, "delete", "pod", *leading)
        cluster.until("another leader", lambda: lease()[0] not in ("", before), 90)
    node = setting.node()
    setting.bind("later", setting.running(node), node.cores[0])
    setting.unbind("later")


@promise("an extender that starts again knows what was given away")
def _(setting):
    pods = [setting.scheduled(cpus=2)]
    setting.scheduling(pods[0])
    if setting.programs:
        setting.stop("extender", kill=True)
        setting.start_extender()
    else:
        setting.cluster.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/berth-scheduler")
        setting.cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/berth-scheduler", "--timeout=300s")
    pods.append(setting.scheduled(cpus=2))
    different(setting, pods)
    setting.cluster.kubectl("delete", "pod", *pods, "--timeout=120s")


@promise("a node that does not answer keeps what its pods hold")
def _(setting):
    if not setting.played:
        raise Skipped("only a played node can be told to be silent")
    node = setting.node()
    played = next(one for one in setting.played if one.name == node.name)
    pod, other, cpus = setting.running(node), setting.running(node), node.cores[0]
    setting.bind("held", pod, cpus)
    played.say_ready(False)
    try:
        setting.cluster.kubectl("delete", "pcb", "held", "--wait=false")
        setting.bind("newcomer", other, cpus, status="CPUSetAllocationFailed")
        expect(setting.cluster.find("pcb", "held"), "the binding was given up")
    finally:
        played.say_ready(True)
    setting.cluster.until("no binding", lambda: not setting.cluster.find("pcb", "held"))
    setting.settles("newcomer", "Applied")
    setting.unbind("newcomer")


@promise("the API server refused nothing that Berth's programs asked for")
def _(setting):
    for name, text in setting.said().items():
        lines = [line for line in text.splitlines() if "forbidden" in line.lower()]
        expect(not lines, f"{name}: {lines[:3]}")
