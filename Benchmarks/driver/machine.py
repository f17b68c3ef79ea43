"""A machine for berthd to serve: large enough for 1,000 services with a CPU each."""

import json


def capture(cpus, nodes=4):
    """A capture (the form of `berth topology capture`) of a machine with `cpus` CPUs, two to a core, `nodes` NUMA
    nodes and a package to each two nodes. All CPUs but the first 16 are isolated."""
    per_node = cpus // nodes
    everything = f"0-{cpus - 1}\n"
    cpu, node = "devices/system/cpu", "devices/system/node"
    files = {f"{cpu}/{name}": everything for name in ("online", "present", "possible")}
    files[f"{cpu}/isolated"] = f"16-{cpus - 1}\n"
    files[f"{node}/online"] = files[f"{node}/possible"] = f"0-{nodes - 1}\n"
    for n in range(nodes):
        files[f"{node}/node{n}/cpulist"] = f"{n * per_node}-{(n + 1) * per_node - 1}\n"
    for c in range(cpus):
        first = c - c % 2
        files[f"{cpu}/cpu{c}/topology/thread_siblings_list"] = f"{first}-{first + 1}\n"
        files[f"{cpu}/cpu{c}/topology/physical_package_id"] = f"{c // (2 * per_node)}\n"
    return {"name": f"bench-{cpus}", "files": files}


def write(path, cpus):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(capture(cpus), file, separators=(",", ":"))
    return path
