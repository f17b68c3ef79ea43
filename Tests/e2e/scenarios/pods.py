"""Claims of pods, in control groups like those that kubelets and container runtimes make."""

import json

import shapes
from lab import Skipped, cpus, promise, same, start_berthd, stop_berthd
from machine import Failed
from package import prepare
from programs import ROOT, allowed, claims, end, snapshot, start, wait

UID = "0a1b2c3d-0000-4000-8000-00000000000%d"
MAIN, SIDE, INIT, PAUSE, STRANGER = ("%064x" % number for number in (10, 11, 12, 13, 14))


def escaped(uid):
    return uid.replace("-", "_")


# Where the kubelet keeps a pod, and how the runtime calls a container of it.
LAYOUTS = {
    "containerd with systemd": (lambda uid: "/kubepods.slice/kubepods-burstable.slice/"
                                            f"kubepods-burstable-pod{escaped(uid)}.slice", "cri-containerd-{}.scope"),
    "containerd with cgroupfs": (lambda uid: f"/kubepods/burstable/pod{uid}", "{}"),
    "docker": (lambda uid: f"/kubepods.slice/kubepods-pod{escaped(uid)}.slice", "docker-{}.scope"),
    "CRI-O": (lambda uid: "/kubepods.slice/kubepods-besteffort.slice/"
                          f"kubepods-besteffort-pod{escaped(uid)}.slice", "crio-{}.scope"),
    "kind": (lambda uid: "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
                         f"kubelet-kubepods-burstable-pod{escaped(uid)}.slice", "cri-containerd-{}.scope"),
    "kind in docker": (lambda uid: f"/docker/{'d' * 64}/kubelet/kubepods/pod{uid}", "{}"),
}

# Makes a control group as a kubelet or runtime does: with cgroup v1 it gets what the one above has, unless it has something.
MAKE = """
    make() {
        here=$ROOT
        for name in $(echo "$1" | tr / ' '); do
            if [ $VERSION = 2 ]; then echo +cpuset >$here/cgroup.subtree_control; fi
            if ! [ -d $here/$name ]; then
                mkdir $here/$name
                if [ $VERSION = 1 ]; then
                    for file in cpuset.cpus cpuset.mems; do
                        [ -n "$(cat $here/$name/$file)" ] || cat $here/$file >$here/$name/$file
                    done
                fi
            fi
            here=$here/$name
        done
    }
    run() {
        probe spin - 1000 $2 >/dev/null 2>&1 &
        echo $! >$ROOT$1/cgroup.procs
        echo $! >>/tmp/pods.pids
        [ -z "$2" ] || echo $! >/tmp/$2.pid
    }
"""


class Trees:
    """Control groups of pods on one machine."""

    def __init__(self, machine):
        self.machine = machine
        self.is_v1 = machine.shape.cgroup == 1
        self.root = f"{ROOT}/cpuset" if self.is_v1 else ROOT
        self.file = "cpuset.effective_cpus" if self.is_v1 else "cpuset.cpus.effective"
        self.all = cpus(machine.sh("cat /sys/devices/system/cpu/online"))

    def sh(self, script):
        return self.machine.sh(f"ROOT={self.root} VERSION={1 if self.is_v1 else 2}\n{MAKE}\n{script}")

    def add(self, path, program=""):
        """Makes a container's control group, with a program in it."""
        self.sh(f"make {path}; run {path} {program}")

    def effective(self, path):
        return cpus(self.sh(f"cat $ROOT{path}/{self.file}"))

    def masks(self, *tops):
        """All cpuset files of trees."""
        return self.sh("for top in %s; do find $ROOT/$top -name cpuset.cpus -o -name cpuset.mems | sort | "
                       "while read file; do echo $file $(cat $file); done; done" % " ".join(tops))

    def remove(self, *tops):
        self.sh("""
            kill $(cat /tmp/pods.pids) 2>/dev/null
            rm -f /tmp/pods.pids
            sleep 0.3
            for top in %s; do find $ROOT/$top -depth -type d -exec rmdir {} ';'; done
        """ % " ".join(tops))


def begin(machine):
    """Starts berthd; the control groups of the machine."""
    if machine.shape.cgroup == 1 and machine.kernel.version != "6.1":
        raise Skipped("this kernel has no cpusets of version 1")
    start_berthd(machine)
    return Trees(machine)


def put(machine, cpu_list, containers, uid=UID % 1, level="cpu", name="default%2Fweb", status=0):
    body = {"cpus": {"list": cpu_list, "level": level},
            "enforcement": {"minimum": "cpuset", "pod": {"uid": uid, "containers": [
                {"name": label, "id": f"containerd://{id}"} for label, id in containers]}}}
    answer = machine.sh(f"probe ask PUT /v1/claims/pod/{name} '{json.dumps(body)}'", status=status)
    return json.loads(answer)


def states(machine, name="default%2Fweb"):
    claim = json.loads(machine.sh(f"probe ask GET /v1/claims/pod/{name}"))
    return {container["name"]: container["state"] for container in claim["enforcement"]["pod"]["containers"]}


def follows(machine):
    """Waits until the kernel does for pods what their claims say. Programs of the host may run anywhere: only a partition keeps
    them off, and `berth verify` says so."""
    def differences():
        lines = machine.run("sleep 1.1; berth verify").output.splitlines()
        return [line for line in lines if "(probe)" in line or line.startswith("the cgroup") or "not enforced" in line]
    wait(machine, "differences", [], differences)
    failures = [claim["enforcement"].get("failure") for claim in
                json.loads(machine.sh("probe ask GET /v1/claims"))["claims"] if claim["enforcement"]]
    same("failures", [None] * len(failures), failures)


def release(machine, name="default%2Fweb"):
    machine.sh(f"probe ask DELETE /v1/claims/pod/{name}")


def where(machine, name):
    return cpus(machine.sh(f"sed -n 's/^Cpus_allowed_list:\t//p' /proc/$(cat /tmp/{name}.pid)/status"))


def everywhere(on):
    """Registers a check on version 2 and on version 1."""
    return lambda check: [promise(check.__doc__, on=shape)(check) for shape in on]


BOTH = (shapes.PACKAGES, shapes.LEGACY_PODS)


@everywhere(BOTH)
def _(machine):
    "containers of pods run on their claims' CPUs, and other pods elsewhere, whoever made their control groups"
    trees = begin(machine)
    for layout, (pod, form) in LAYOUTS.items():
        one, two = pod(UID % 1), pod(UID % 2)
        top = one.split("/")[1]
        main, side, pause = (f"{one}/{form.format(id)}" for id in (MAIN, SIDE, PAUSE))
        other = f"{two}/{form.format(STRANGER)}"
        trees.add(main, "main")
        trees.add(side, "side")
        trees.add(pause)
        trees.add(other, "other")
        before, kernel = trees.masks(top), snapshot(machine)
        made = put(machine, "2-3", [("main", MAIN), ("side", SIDE)])
        found = {entry["name"]: (entry["state"], entry["cgroup"])
                 for entry in made["enforcement"]["pod"]["containers"]}
        same(f"containers, {layout}", {"main": ("confined", main), "side": ("confined", side)}, found)
        for name, expected in {"main": {2, 3}, "side": {2, 3}, "other": trees.all - {2, 3}}.items():
            same(f"CPUs of {name}, {layout}", expected, where(machine, name))
        for path in (one, main, side, pause):
            same(f"CPUs of {path}", {2, 3}, trees.effective(path))
        if layout == "kind":
            follows(machine)
        release(machine)
        for name in ("main", "side", "other"):
            same(f"CPUs of {name} afterwards, {layout}", trees.all, where(machine, name))
        if trees.is_v1:
            same(f"what was changed, {layout}", before, trees.masks(top))
        same(f"the rest of the kernel, {layout}", kernel, snapshot(machine))
        same("what is still noted", "", machine.sh("ls /var/lib/berth | grep pods || true"))
        trees.remove(top)


@everywhere(BOTH)
def _(machine):
    "containers and pods that appear later are confined, or kept off exclusive CPUs, at once, and the claim says so"
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    one, two = pod(UID % 1), pod(UID % 2)
    put(machine, "2-3", [("main", MAIN), ("init", INIT)])
    same("states before there is anything", {"main": "missing", "init": "missing"}, states(machine))
    trees.add(f"{one}/{form.format(INIT)}", "init")
    wait(machine, "CPUs of the init container", {2, 3}, lambda: where(machine, "init"), 15)
    wait(machine, "states", {"main": "missing", "init": "confined"}, lambda: states(machine), 15)
    # Restarted: another id, in a control group of its own, which nobody has told of yet.
    trees.add(f"{one}/{form.format(SIDE)}", "side")
    wait(machine, "CPUs of a container that no claim names", {2, 3}, lambda: where(machine, "side"), 15)
    trees.add(f"{two}/{form.format(STRANGER)}", "other")
    wait(machine, "CPUs of another pod", trees.all - {2, 3}, lambda: where(machine, "other"), 15)
    put(machine, "2-3", [("main", SIDE)])
    same("states after the change", {"main": "confined"}, states(machine))
    follows(machine)
    stop_berthd(machine)
    start_berthd(machine, keep_state=True)
    same("CPUs after a restart of berthd", {2, 3}, where(machine, "side"))
    release(machine)
    for name in ("init", "side", "other"):
        same(f"CPUs of {name} afterwards", trees.all, where(machine, name))
    trees.remove("kubepods.slice")


@everywhere(BOTH)
def _(machine):
    "a pod's claim changes in one step: other CPUs, shared ones, other containers"
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with cgroupfs"]
    trees.add(f"{pod(UID % 1)}/{MAIN}", "main")
    trees.add(f"{pod(UID % 2)}/{STRANGER}", "other")
    put(machine, "2-3", [("main", MAIN)])
    for wanted, level, off in (("4-6", "cpu", {4, 5, 6}), ("3-4", "none", set()), ("2", "core", {2, 3}),
                               ("6", "cpu", {6})):
        put(machine, wanted, [("main", MAIN)], level=level)
        same(f"CPUs with {wanted} {level}", cpus(wanted), where(machine, "main"))
        same(f"CPUs of the other pod with {wanted} {level}", trees.all - off, where(machine, "other"))
    follows(machine)
    release(machine)
    trees.remove("kubepods")


@everywhere(BOTH)
def _(machine):
    "neither pods, programs nor services get what another one has alone, whoever asked first, nor housekeeping CPUs"
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    trees.add(f"{pod(UID % 1)}/{form.format(MAIN)}", "main")

    def refused(code, *arguments, **options):
        answer = put(machine, *arguments, status=1, **options)
        same(f"the refusal of {arguments}", code, answer["code"])
        return answer["detail"]

    detail = refused("housekeeping", "0", [("main", MAIN)])
    if "are housekeeping CPUs, which stay with the rest of the machine" not in detail:
        raise Failed(f"the refusal says {detail!r}")
    refused("not_in_pool", "99", [("main", MAIN)])
    start(machine, "--list 4-5")
    refused("held_by_others", "5-6", [("main", MAIN)])
    refused("held_by_others", "5-6", [("main", MAIN)], level="none")
    refused("invalid_member", "6", [("main", MAIN)], uid="../" + UID % 1)
    refused("invalid_member", "6", [("main", MAIN[1:])])
    put(machine, "0-1,6-7", [("main", MAIN)], level="none")
    same("CPUs of the pod, some of them housekeeping", {0, 1, 6, 7}, where(machine, "main"))
    result = machine.run("berth run --name b --list 6 -- true")
    same("the status of a program on the pod's CPU", 1, result.status)
    release(machine)
    put(machine, "6-7", [("main", MAIN)])
    same("the status of a program on the pod's exclusive CPU", 1,
         machine.run("berth run --name b --list 6 -- true").status)
    same("claims", {"pod:default/web", "run:a"}, set(claims(machine)))
    if "pod:default/web" not in machine.sh("berth map"):
        raise Failed("berth map does not show the pod")
    if "main (confined)" not in machine.sh("berth show pod:default/web"):
        raise Failed("berth show does not show the container")
    same("CPUs of the program", {4, 5}, allowed(machine))
    follows(machine)
    end(machine)
    release(machine)
    trees.remove("kubepods.slice")


@promise("programs in pods that pin themselves have their affinities again when claims end", on=shapes.PACKAGES)
def _(machine):
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    trees.add(f"{pod(UID % 1)}/{form.format(MAIN)}", "main")
    trees.add(f"{pod(UID % 2)}/{form.format(STRANGER)}", "other")
    for name in ("main", "other"):
        machine.sh(f"taskset -p 24 $(cat /tmp/{name}.pid)")  # CPUs 2 and 5
        same(f"CPUs of {name}", {2, 5}, where(machine, name))
    put(machine, "2-3", [("main", MAIN)])
    same("CPUs of the pod with a claim", {2}, where(machine, "main"))
    same("CPUs of the other pod", {5}, where(machine, "other"))
    release(machine)
    for name in ("main", "other"):
        same(f"CPUs of {name} afterwards", {2, 5}, where(machine, name))
    trees.remove("kubepods.slice")


@promise("pods are kept off the CPUs of programs that have no partition, and come back to them", on=shapes.LEGACY_PODS)
def _(machine):
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    trees.add(f"{pod(UID % 2)}/{form.format(STRANGER)}", "other")
    before = trees.masks("kubepods.slice")
    start(machine, "--list 4-5")
    same("CPUs of the pod", trees.all - {4, 5}, where(machine, "other"))
    trees.add(f"{pod(UID % 1)}/{form.format(MAIN)}", "main")
    wait(machine, "CPUs of a pod that came later", trees.all - {4, 5}, lambda: where(machine, "main"), 15)
    follows(machine)
    end(machine)
    wait(machine, "CPUs of the pod afterwards", trees.all, lambda: where(machine, "other"), 15)
    same("CPUs of the pod that came later", trees.all, where(machine, "main"))
    trees.remove("kubepods.slice")


@everywhere(BOTH)
def _(machine):
    "a daemon that is killed while it confines a pod leaves nothing half done"
    trees = begin(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    trees.add(f"{pod(UID % 1)}/{form.format(MAIN)}", "main")
    trees.add(f"{pod(UID % 2)}/{form.format(STRANGER)}", "other")
    body = {"cpus": {"list": "2-3"},
            "enforcement": {"pod": {"uid": UID % 1, "containers": [{"name": "main", "id": MAIN}]}}}
    for delay in ("0.02", "0.1", "0.3"):
        machine.sh(f"""
            (probe ask PUT /v1/claims/pod/default%2Fweb '{json.dumps(body)}' >/tmp/answer 2>&1; true) &
            sleep {delay}; kill -9 $(cat /run/berthd.pid); wait $! || true; sleep 0.2
        """)
        start_berthd(machine, keep_state=True)
        if claims(machine).get("pod:default/web"):
            same("CPUs of the pod with a claim", {2, 3}, where(machine, "main"))
            release(machine)
        wait(machine, "CPUs of the pod", trees.all, lambda: where(machine, "main"), 15)
        same("CPUs of the other pod", trees.all, where(machine, "other"))
    trees.remove("kubepods.slice")


@promise("W30: a daemon-reload of systemd leaves containers on their claims' CPUs, whatever their scopes were made with",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    trees = Trees(machine)
    pod, form = LAYOUTS["containerd with systemd"]
    path = pod(UID % 1)
    scopes = {"main": (form.format(MAIN), "-p AllowedCPUs=0-1 -p AllowedMemoryNodes=0"), "side": (form.format(SIDE), "")}
    for scope, properties in scopes.values():
        machine.sh(f"""
            systemd-run --scope --unit={scope} --slice={path.split("/")[-1]} -p Delegate=yes {properties} \\
                sleep 1000 >/dev/null 2>&1 &
            for _ in $(seq 100); do [ -n "$(cat {ROOT}{path}/{scope}/cgroup.procs 2>/dev/null)" ] && exit 0; sleep 0.1; done; exit 1
        """)

    def where():
        return {name: trees.effective(f"{path}/{scope}") for name, (scope, _) in scopes.items()}

    before = {"main": {0, 1}, "side": trees.all}
    same("CPUs before", before, where())
    put(machine, "2-3", [("main", MAIN), ("side", SIDE)])
    for command in ("true", "systemctl daemon-reload", "systemctl restart berthd", "systemctl daemon-reload"):
        machine.sh(command)
        same(f"CPUs after {command}", {"main": {2, 3}, "side": {2, 3}}, where())
    same("what systemd lets the scope have", "2-3", machine.sh(f"systemctl show -P AllowedCPUs {scopes['main'][0]}"))
    release(machine)
    for command in ("true", "systemctl daemon-reload"):
        machine.sh(command)
        same(f"CPUs without a claim after {command}", before, where())
    machine.sh(f"systemctl stop {' '.join(scope for scope, _ in scopes.values())}")
