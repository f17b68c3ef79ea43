"""Nodes for a cluster that has none. What a kubelet and berth-node would say is said here, the latter with berth-node's
rights."""

import datetime
import json
import secrets
import threading
import time

from access import Failed

SOCKETS, CORES = 2, 4


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class PlayedNode:
    """One node of 16 CPUs: 2 sockets with 4 cores of 2 threads. No process runs on it."""

    def __init__(self, cluster, name, agent):
        self.cluster, self.name, self.agent = cluster, name, agent
        self.ends, self.containers = threading.Event(), {}
        # The uids of the bindings that this node has reported on.
        self.answered = set()
        cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}}})
        # A controller manager taints a node that is new.
        self.say_ready()
        self.thread = threading.Thread(target=self.play, daemon=True)
        self.thread.start()

    def patch(self, kind, name, change):
        """Patches a status, as a kubelet does."""
        self.cluster.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps(change))

    def report(self, path, change):
        """Patches an object of Berth, as berth-node does."""
        self.cluster.patch_as(self.agent, f"/apis/cslab.ece.ntua.gr/v1alpha1/{path}", change)

    def say_ready(self, is_ready=True):
        """Says whether the node is ready. One that is not does nothing until it is."""
        self.is_ready = is_ready
        amounts = {"cpu": str(SOCKETS * CORES * 2), "memory": "16Gi", "pods": "110"}
        short = now().split(".")[0] + "Z"
        self.patch("node", self.name, {"status": {
            "capacity": amounts, "allocatable": amounts, "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "conditions": [{"type": "Ready", "status": str(is_ready), "reason": "Played",
                            "message": "", "lastHeartbeatTime": short, "lastTransitionTime": short}]}})

    def publish(self):
        """What berth-node writes of the machine."""
        count = SOCKETS * CORES
        topology = {"cpus": list(range(2 * count)), "sockets": {}, "numaNodes": {}}
        for socket in range(SOCKETS):
            own = range(socket * CORES, (socket + 1) * CORES)
            cpus = [*own, *(core + count for core in own)]
            topology["sockets"][str(socket)] = {
                "cpus": cpus, "cores": {str(core): {"cpus": [core, core + count]} for core in own}}
            topology["numaNodes"][str(socket)] = {"cpus": cpus}
        path = f"nodecputopologies/{self.name}-cputopology"
        self.report(path, {"spec": {"topology": topology}})
        self.report(f"{path}/status", {"status": {
            "resourceStatus": "Fresh", "internalIP": "192.0.2.1", "reservedCPUs": [0, count]}})

    def play(self):
        last = 0.0
        while not self.ends.wait(0.2):
            try:
                if time.monotonic() - last > 5:
                    last = time.monotonic()
                    self.say_ready(self.is_ready)
                if not self.is_ready:
                    continue
                pods = {pod["metadata"]["name"]: pod for pod in self.cluster.read(
                    "pods", "--field-selector", f"spec.nodeName={self.name}")["items"]}
                for pod in pods.values():
                    self.run(pod)
                for value in self.cluster.read("pcb")["items"]:
                    self.answer(value, pods)
            except Failed:
                # An object may go at any time.
                pass

    def run(self, pod):
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        if pod["metadata"].get("deletionTimestamp"):
            self.cluster.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false",
                                 "--ignore-not-found")
        elif pod["status"].get("phase") == "Pending":
            start = now().split(".")[0] + "Z"
            statuses = [{
                "name": container["name"], "image": container["image"], "imageID": "", "ready": True, "started": True,
                "restartCount": 0, "containerID": "containerd://" + self.containers.setdefault(
                    (uid, container["name"]), secrets.token_hex(32)),
                "state": {"running": {"startedAt": start}}} for container in pod["spec"]["containers"]]
            self.patch("pod", name, {"metadata": {"uid": uid}, "status": {
                "phase": "Running", "startTime": start, "containerStatuses": statuses, "conditions": [
                    {"type": kind, "status": "True", "lastTransitionTime": start}
                    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]}})

    def answer(self, value, pods):
        """What berth-node says of a claim: that it is enforced, and later that it was given back."""
        uid, status = value["metadata"]["uid"], value.get("status", {})
        claim, report = status.get("claim"), status.get("node") or {}
        pod = pods.get(value["spec"]["podName"])
        if claim and pod and claim["podUID"] == pod["metadata"]["uid"]:
            ids = sorted(container["containerID"] for container in pod["status"].get("containerStatuses", []))
            wanted = {"state": "Enforced", "claim": claim, "containers": ids}
            if {key: report.get(key) for key in wanted} == wanted:
                return
            self.answered.add(uid)
        elif not claim and uid in self.answered:
            wanted = {"state": "Released", "claim": None, "containers": None}
            self.answered.remove(uid)
        else:
            return
        self.report(f"namespaces/{self.cluster.namespace}/podcpubindings/{value['metadata']['name']}/status",
                    {"status": {"node": wanted}})

    def close(self):
        self.ends.set()
        self.thread.join()
