"""What the checks find: Berth in the cluster or beside it, and nodes that are real or played."""

import contextlib
import itertools
import json
import os
import socket
import subprocess
from dataclasses import dataclass

import yaml

from access import ROOT, SYSTEM, Failed, Skipped, binding
from playing import PlayedNode

MANIFESTS = ROOT / "deploy/kubernetes"
# What runs in pods, and what is about those.
OF_PODS = {"Deployment", "DaemonSet", "PodDisruptionBudget", "NetworkPolicy"}
LEASE = "8652a9f3.cslab.ece.ntua.gr"


@dataclass
class Node:
    """A node, all its CPUs, and those of each core that a pod can be given."""
    name: str
    cpus: list
    cores: list


class Setting:
    def __init__(self, cluster, options):
        self.cluster, self.options, self.programs = cluster, options, options.programs
        self.processes, self.played, self.accounts = {}, [], {}
        self.numbers = itertools.count(1)

    def prepare(self):
        """Brings everything to where checks can begin."""
        cluster, options = self.cluster, self.options
        cluster.kubectl("version")
        if options.apply or self.programs:
            built = cluster.kubectl("kustomize", options.apply or MANIFESTS)
            objects = [value for value in yaml.safe_load_all(built) if value]
            if self.programs:
                if cluster.find("-n", SYSTEM, "deployment", "berth-controller"):
                    raise Failed("the cluster runs Berth already: leave out --programs")
                objects = [value for value in objects if value["kind"] not in OF_PODS]
            cluster.apply(*objects)
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": cluster.namespace}})
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/podcpubindings.cslab.ece.ntua.gr",
                        "crd/nodecputopologies.cslab.ece.ntua.gr")
        with contextlib.suppress(Failed):
            cluster.until("a service account", lambda: cluster.find("serviceaccount", "default"), seconds=5)
        if not cluster.find("serviceaccount", "default"):
            # There is no controller manager.
            cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
        if self.programs:
            self.start_programs()
        else:
            for name in ["deployment/berth-controller", "deployment/berth-scheduler", "daemonset/berth-node"]:
                cluster.kubectl("-n", SYSTEM, "rollout", "status", name, "--timeout=300s")

    # What runs here.

    def account(self, name):
        if name not in self.accounts:
            self.accounts[name] = self.cluster.account(name)
        return self.accounts[name]

    def start(self, name, account, *words):
        environment = dict(os.environ, KUBECONFIG=str(self.account(account)), HOME=str(self.cluster.work))
        # A log goes on where the program is started again.
        with open(self.cluster.work / f"{name}.log", "a") as log:
            self.processes[name] = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log,
                                                    stderr=log, env=environment)

    def stop(self, name, kill=False):
        process = self.processes.pop(name)
        process.kill() if kill else process.terminate()
        process.wait()

    def start_programs(self):
        self.berth = self.programs.resolve() / "berth-cluster"
        for number in 1, 2:
            self.start_controller(f"controller-{number}")
        self.extender_port, tls = free_port(), self.cluster.work / "tls"
        tls.mkdir()
        subprocess.run([self.berth, "certificates", "--directory", tls, "--address=127.0.0.1"], check=True)
        self.start_extender()
        self.start_scheduler(tls)
        if not self.cluster.read("nodes")["items"]:
            names = [f"{self.cluster.namespace}-{number}" for number in (1, 2)]
            self.played = [PlayedNode(self.cluster, name, self.account("berth-node")) for name in names]
            for node in self.played:
                self.cluster.until(f"a topology of {node.name}",
                                   lambda: self.cluster.find("nct", f"{node.name}-cputopology"))
                node.publish()

    def start_controller(self, name):
        self.start(name, "berth-controller", self.berth, "controller", "--leader-elect", "--zap-log-level=debug",
                   "--health-probe-bind-address=0", "--metrics-bind-address=0")

    def start_extender(self):
        tls = self.cluster.work / "tls"
        self.start("extender", "berth-scheduler", self.berth, "extender", f"--listen=127.0.0.1:{self.extender_port}",
                   f"--config={MANIFESTS}/base/workload-aware-args.yaml", f"--tls-certificate={tls}/server.pem",
                   f"--tls-key={tls}/server.key", f"--tls-client-ca={tls}/ca.pem", "--health-probe-bind-address=0",
                   "--metrics-bind-address=0")

    def start_scheduler(self, tls):
        """The shipped configuration; only what the pod would give is given here."""
        if not self.options.scheduler:
            self.start("scheduler", "berth-scheduler", self.berth.parent / "berth-cluster-demo", "scheduler",
                       "--extender", f"https://127.0.0.1:{self.extender_port}", "--certificates", tls)
            return
        configuration = yaml.safe_load((MANIFESTS / "base/scheduler-configuration.yaml").read_text())
        account = str(self.account("berth-scheduler"))
        configuration["clientConnection"] = {"kubeconfig": account}
        extender = configuration["extenders"][0]
        extender["urlPrefix"] = f"https://127.0.0.1:{self.extender_port}"
        extender["tlsConfig"] = {key: path.replace("/tls", str(tls)) for key, path in extender["tlsConfig"].items()}
        file = self.cluster.work / "scheduler.yaml"
        file.write_text(yaml.safe_dump(configuration))
        self.start("scheduler", "berth-scheduler", self.options.scheduler.resolve(), f"--config={file}",
                   "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
                   f"--cert-dir={self.cluster.work}/scheduler-tls", f"--authentication-kubeconfig={account}",
                   f"--authorization-kubeconfig={account}")

    # What checks begin with.

    def fresh(self):
        """The topologies that berth-node has published."""
        return [value for value in self.cluster.read("nct")["items"]
                if value.get("status", {}).get("resourceStatus") == "Fresh"]

    def nodes(self):
        """The nodes whose pods can be given CPUs."""
        bindings = self.cluster.read("pcb", "-A")["items"]
        found = []
        for topology in self.fresh():
            name = topology["spec"]["nodeName"]
            taken = {*topology["status"].get("reservedCPUs", []), *topology["status"].get("allocatedCPUs", [])}
            for status in (value.get("status", {}) for value in bindings):
                if status.get("nodeName") == name:
                    taken |= numbers(status.get("claim", {}).get("exclusive", ""))
            sockets = topology["spec"]["topology"]["sockets"].values()
            cores = [core["cpus"] for socket in sockets for core in socket["cores"].values()]
            cores = sorted(cpus for cpus in cores if not taken & {*cpus})
            if len(cores) >= 3:
                found.append(Node(name, topology["spec"]["topology"]["cpus"], cores))
        if not found:
            raise Skipped("no node has berth-node and three cores to give")
        return found

    def node(self):
        return self.nodes()[0]

    def running(self, node):
        """A pod that runs on a node."""
        name = self.pod({"nodeName": node.name})
        self.cluster.until(
            f"pod {name} runs", lambda: self.cluster.read("pod", name)["status"]["phase"] == "Running", 180)
        return name

    def scheduled(self, cpus):
        """A pod for Berth's scheduler."""
        self.node()
        for role in "system:kube-scheduler", "system:volume-scheduler":
            if not self.cluster.find("clusterrole", role):
                raise Skipped(f"the cluster has no ClusterRole {role}")
        return self.pod({"schedulerName": "maestro"}, {"requests": {"cpu": str(cpus)}})

    def pod(self, spec, resources=None):
        name = f"pod-{next(self.numbers)}"
        container = {"name": "main", "image": self.options.image, "command": ["sleep", "1000000"],
                     "resources": resources or {}}
        self.cluster.apply({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"cslab.ece.ntua.gr/workload-type": "cpu-bound"}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0,
                     "tolerations": [{"operator": "Exists"}], **spec}})
        return name

    def scheduling(self, pod):
        """The binding that the extender made for a pod, when it is applied."""
        self.settles(f"{pod}-pcb", "Applied", 180)
        return self.cluster.read("pcb", f"{pod}-pcb")

    def bind(self, name, pod, cpus, level="CPU", status="Applied"):
        """Makes or edits a binding, and gives the message of its condition when it has the status."""
        self.cluster.apply(binding(name, pod, cpus, level))
        return self.settles(name, status)

    def unbind(self, name):
        self.cluster.kubectl("delete", "pcb", name, "--timeout=60s")

    def events(self, name):
        return self.cluster.read("events", "--field-selector", f"involvedObject.name={name}")["items"]

    def settles(self, name, status, seconds=60):
        """Waits until a binding as it is now has the status, and gives the message of its condition."""
        def message():
            found = self.cluster.read("pcb", name)
            said = found.get("status", {})
            if (said["observedGeneration"], said["resourceStatus"]) != (found["metadata"]["generation"], status):
                raise Failed(f"its status is {json.dumps(said)}")
            return next(value["message"] for value in said["conditions"] if value["type"] == "Applied") or status
        return self.cluster.until(f"binding {name} is {status}", message, seconds)

    def runs_on(self, pod, cpus):
        """Checks where the kernel lets a pod run, where there is a kernel that knows."""
        if self.played:
            return

        def allowed():
            text = self.cluster.kubectl("exec", pod, "--", "cat", "/proc/self/status")
            line = next(line for line in text.splitlines() if line.startswith("Cpus_allowed_list:"))
            return numbers(line.split()[1])
        self.cluster.until(f"pod {pod} on CPUs {sorted(cpus)}", lambda: allowed() == set(cpus))

    # The end.

    def logs(self):
        """The end of what every program said."""
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
                         for path in sorted(self.cluster.work.glob("*.log")))

    def said(self):
        """All that Berth's programs said."""
        if self.programs:
            return {path.stem: path.read_text(errors="replace") for path in self.cluster.work.glob("*.log")}
        pods = self.cluster.read("-n", SYSTEM, "pods", "-l", "app.kubernetes.io/name=berth")["items"]
        names = [pod["metadata"]["name"] for pod in pods]
        return {name: self.cluster.kubectl("-n", SYSTEM, "logs", name, "--all-containers") for name in names}

    def clear(self):
        """Removes the pods and bindings of the checks."""
        with contextlib.suppress(Failed):
            self.cluster.kubectl("delete", "pcb,pods", "--all", "--timeout=60s")

    def close(self):
        """Removes what was made. Berth and the nodes give the CPUs of pods back before they go."""
        cluster = self.cluster
        self.clear()
        for node in self.played:
            node.close()
        for name in list(self.processes):
            self.stop(name)
        cluster.remove()
        # Nobody collects them where there is no controller manager.
        for node in self.played:
            cluster.run("delete", "nct", f"{node.name}-cputopology", "--ignore-not-found", "--wait=false")
        if self.programs:
            cluster.run("-n", SYSTEM, "delete", "lease", LEASE, "berth-scheduler", "--ignore-not-found")


def numbers(text):
    """The CPUs of a list such as 2-3,8."""
    found = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= {*range(int(first), int(last or first) + 1)}
    return found


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
