"""The machines of the scenarios. Checks of one shape share a machine, so a new shape costs a boot on each kernel."""

from machine import Node, Shape

# Some CPUs are isolated, for services, and others are not, for programs.
SMALL = Shape("8 CPUs, isolcpus", cores=4, threads=2, arguments="isolcpus=4-7")

PACKAGES = Shape(
    "16 CPUs in 2 packages with 2 threads a core, 2 nodes", sockets=2, cores=4, threads=2,
    nodes=(Node("0-7", 1024), Node("8-15", 1024)), distances=((0, 1, 21),), arguments="hugepagesz=2M hugepages=64")

# The first core of each package stays with the kernel. The devices are here for their interrupts.
ISOLATED = Shape(
    "16 CPUs in 2 packages with isolcpus, network cards and disks", sockets=2, cores=4, threads=2,
    nodes=PACKAGES.nodes, distances=PACKAGES.distances, arguments=PACKAGES.arguments + " isolcpus=2-7,10-15",
    devices=("nic", "nic", "nvme 2", "disk 4"))

NODES = Shape(
    "4 nodes, one without CPUs and one without memory", cores=6, threads=2,
    nodes=(Node("0-3", 512), Node("4-7", 512), Node("8-11", 0), Node("", 512)),
    distances=((0, 1, 12), (0, 2, 12), (1, 2, 12), (0, 3, 17), (1, 3, 17), (2, 3, 28)), arguments="isolcpus=2-11")

LEGACY_PODS = Shape("8 CPUs, control groups of version 1, no isolcpus", cores=4, threads=2, cgroup=1)

LEGACY = Shape("8 CPUs, control groups of version 1", cores=4, threads=2, cgroup=1, arguments="isolcpus=2-7")

SYSTEMD = Shape(
    "Debian with systemd, 8 CPUs, 2 nodes, isolcpus", sockets=2, cores=2, threads=2,
    nodes=(Node("0-3", 768), Node("4-7", 512)), distances=((0, 1, 21),), arguments="isolcpus=4-7", systemd=True)
