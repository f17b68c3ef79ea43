"""berthd in machines of several shapes, without a service manager."""

import json
from pathlib import Path

import shapes
from lab import cpus, holders, promise, read_json, same, start_berthd
from machine import Failed

MACHINES = Path(__file__).resolve().parent.parent / "machines"


def compare_capture(machine, name):
    """Compares what `berth topology capture` writes with the fixture of this kernel (6.12 numbers dies differently), all
    but the sizes of memory, which depend on the kernel's build."""
    name = f"{name}-{machine.lab.kernel.version}"
    found = read_json(machine, f"berth topology capture - --name {name}")
    fixture = MACHINES / f"{name}.json"

    def comparable(capture):
        return {path: text for path, text in capture["files"].items() if not path.endswith("/meminfo")}

    expected = comparable(json.loads(fixture.read_text())) if fixture.exists() else {}
    if machine.lab.options.record and expected != comparable(found):
        fixture.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        return
    found = comparable(found)
    differences = [f"{path}: the fixture has {expected.get(path)!r}, the machine {found.get(path)!r}"
                   for path in sorted({*expected, *found}) if expected.get(path) != found.get(path)]
    if differences:
        raise Failed(f"{fixture.name} differs:\n" + "\n".join(differences))


@promise("berth topology capture writes what the fixture has: isolcpus", on=shapes.ISOLATED)
def _(machine):
    compare_capture(machine, "two-packages-isolcpus")


@promise("berth topology capture writes what the fixture has: nodes without CPUs or memory", on=shapes.NODES)
def _(machine):
    compare_capture(machine, "four-nodes")


@promise("berth topology capture writes what the fixture has: control groups of version 1", on=shapes.LEGACY)
def _(machine):
    compare_capture(machine, "legacy")


@promise("services get isolated CPUs of the machine, each of them once", on=shapes.ISOLATED)
def _(machine):
    start_berthd(machine)
    isolated = cpus(machine.sh("cat /sys/devices/system/cpu/isolated"))
    second_node = cpus(machine.sh("cat /sys/devices/system/node/node1/cpulist"))
    machine.sh("berth allocate first 4; berth numa second 1 3")
    held = holders(machine)
    first, second = held["first"], held["second"]
    same("CPUs held", (4, 3), (len(first), len(second)))
    same("CPUs held that are not isolated", set(), (first | second) - isolated)
    same("CPUs of the other node", set(), second - second_node)
    same("CPUs held twice", set(), first & second)
    shown = machine.sh("berth map")
    for name in ("first", "second"):
        line = next((line for line in shown.splitlines() if f" {name} " in line), "")
        same(f"what the map says of {name}", held[name], cpus(line.split()[-1] if line else ""))


@promise("a service gets no CPU where the kernel isolates none", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    same("the refusal", "berth: No CPUs available", machine.sh("berth allocate first 4", status=1))
    same("the holders", {}, holders(machine))


@promise("huge pages are counted as the kernel counts them", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    try:
        machine.sh("probe huge 2048 5 1000 >/tmp/held & until grep -q touched /tmp/held; do sleep 0.1; done")
        for node in (0, 1):
            base = f"/sys/devices/system/node/node{node}/hugepages/hugepages-2048kB"
            expected = [int(machine.sh(f"cat {base}/{file}_hugepages")) for file in ("nr", "free")]
            pool = read_json(machine, "berth memory --json")["numa_hugepages"][f"node{node}"]["capacity"][0]
            same(f"total and free pages of node {node}", expected, [pool["total"], pool["free"]])
    finally:
        machine.run("killall probe")


@promise("berthd serves a machine of any shape: nodes without CPUs or memory", on=shapes.NODES)
def _(machine):
    serve_all(machine)


@promise("berthd serves a machine of any shape: control groups of version 1", on=shapes.LEGACY)
def _(machine):
    serve_all(machine)


def serve_all(machine):
    """One service takes all isolated CPUs, and gives them back."""
    start_berthd(machine)
    isolated = cpus(machine.sh("cat /sys/devices/system/cpu/isolated"))
    machine.sh(f"berth allocate all {len(isolated)}")
    same("the CPUs held", {"all": isolated}, holders(machine))
    machine.sh("berth release all")
    same("the CPUs held afterwards", {}, holders(machine))
