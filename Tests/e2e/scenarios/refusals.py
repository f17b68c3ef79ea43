"""The kernel refuses: what was done before is undone, the claim is not granted, and the answer has the kernel's reason."""

import shapes
from lab import promise, same, start_berthd
from machine import Failed
from programs import ROOT, SLICE, allowed, claims, end, snapshot, sound, start, wait


def refused(machine, options, *reasons):
    """Asks for CPUs, and is refused with these words, before the program starts and without a trace."""
    before = snapshot(machine)
    machine.sh("rm -f /tmp/started")
    result = machine.run(f"berth run --name refused {options} -- touch /tmp/started")
    same(f"the status of {options}", 1, result.status)
    for reason in reasons:
        if reason not in result.output:
            raise Failed(f"the answer does not say {reason!r}:\n{result.output}")
    machine.sh("[ ! -e /tmp/started ]")
    same("claims of the refused program", False, "run:refused" in claims(machine))
    same("the kernel after the refusal", before, snapshot(machine))


@promise("a neighbour that has the CPUs in its cpuset is named, and a weaker isolation is given where it will do",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh(f"""
        echo +cpuset >{ROOT}/cgroup.subtree_control
        mkdir {ROOT}/neighbour; echo 8-15 >{ROOT}/neighbour/cpuset.cpus
    """)
    refused(machine, "--list 8-9 --min-isolation partition", "/neighbour has CPUs 8-9 in its cpuset")
    start(machine, "--list 8-9 --min-isolation cpuset")
    note = "note: the isolation is cpuset, not partition: cgroup /neighbour has CPUs 8-9 in its cpuset"
    same("whether berth run says why", True, note in machine.sh("cat /tmp/a.log"))
    same("CPUs", {8, 9}, allowed(machine))
    end(machine)
    if machine.kernel.version == "6.12":
        machine.sh(f"echo '' >{ROOT}/neighbour/cpuset.cpus; echo 8-15 >{ROOT}/neighbour/cpuset.cpus.exclusive")
        refused(machine, "--list 8-9 --min-isolation partition", "/neighbour has CPUs 8-9 in its cpuset")
    machine.sh(f"rmdir {ROOT}/neighbour")


@promise("a neighbour that makes the partition invalid is found and named, and the claim is whole again once it has gone",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--list 8-9 --min-isolation partition")
    machine.sh(f"mkdir {ROOT}/neighbour; echo 8-15 >{ROOT}/neighbour/cpuset.cpus")
    state = machine.sh(f"cat {SLICE}/cpuset.cpus.partition")
    if "invalid" not in state:
        raise Failed(f"the partition should be invalid: {state}")
    found = machine.run("sleep 1.1; berth verify")
    same("the status of verify", 1, found.status)
    if state not in found.output:
        raise Failed(f"verify does not say {state!r}:\n{found.output}")
    # Nobody else is granted a partition meanwhile.
    refused(machine, "--list 4-5 --min-isolation partition", "/neighbour has CPUs 8-9 in its cpuset")
    machine.sh(f"rmdir {ROOT}/neighbour")
    sound(machine)
    same("the partition", "root", machine.sh(f"cat {SLICE}/cpuset.cpus.partition"))
    end(machine)
    same("the kernel afterwards", before, snapshot(machine))


@promise("a cgroup that the kernel does not make is a refusal with its reason, and the partition is given back",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    # One below the slice may be made, and no second one.
    machine.sh(f"mkdir {SLICE}; echo 1 >{SLICE}/cgroup.max.descendants")
    refused(machine, "--cores 1", "Resource temporarily unavailable", "run-refused")
    refused(machine, "--cores 1 --no-balance", "Resource temporarily unavailable", "run-refused")
    machine.sh(f"echo 0 >{SLICE}/cgroup.max.descendants")
    refused(machine, "--cores 1", "Resource temporarily unavailable", "/berth.slice/claims")
    machine.sh(f"rmdir {SLICE}")


@promise("a process that the kernel does not move is a refusal with its reason, and all else is undone",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh(f"""
        for directory in {ROOT} {SLICE} {SLICE}/claims; do
            mkdir -p $directory; echo '+cpuset +hugetlb' >$directory/cgroup.subtree_control
        done
    """)
    before = snapshot(machine)
    # A cgroup with such a controller for those below it takes no process.
    machine.sh(f"mkdir {SLICE}/claims/run-moved; echo +hugetlb >{SLICE}/claims/run-moved/cgroup.subtree_control")
    result = machine.run("berth run --name moved --cores 1 -- true")
    same("the status", 1, result.status)
    if "Device or resource busy" not in result.output:
        raise Failed(f"the answer does not have the kernel's reason:\n{result.output}")
    same("claims", {}, claims(machine))
    same("the kernel afterwards", before, snapshot(machine))
    machine.sh(f"rmdir {SLICE}/claims {SLICE}; echo -hugetlb >{ROOT}/cgroup.subtree_control")


@promise("the machine's first process and the kernel's threads are not adopted", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    thread = machine.sh("pidof ksoftirqd/0 || ps | sed -n 's/^ *\\([0-9]*\\) .*ksoftirqd.0.*/\\1/p'").strip()
    for process in ("1", thread):
        result = machine.run(f"berth adopt {process} --cores 1")
        same("the status", 1, result.status)
        if "which is not moved" not in result.output:
            raise Failed(f"the answer does not say why:\n{result.output}")
    same("claims", {}, claims(machine))
    same("the kernel afterwards", before, snapshot(machine))


@promise("more huge pages than are free are refused before anything changes, and a claim's limit is the kernel's",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    free = int(machine.sh("cat /sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages"))
    refused(machine, f"--cores 1 --node 0 --hugepages 2M:{free + 1}", str(free))
    start(machine, "--cores 1 --node 0 --hugepages 2M:4", "probe huge 2048 4 1000")
    machine.sh("for _ in $(seq 100); do ! grep -q touched /tmp/a.log || exit 0; sleep 0.1; done; cat /tmp/a.log; exit 1")
    same("the limit", str(4 << 21), machine.sh(f"cat {SLICE}/claims/run-a/hugetlb.2MB.max"))
    # Another program of the claim: the kernel says no at the touch.
    beyond = machine.run(f"sh -c 'echo $$ >{SLICE}/claims/run-a/cgroup.procs; exec probe huge 2048 1 0'")
    same("the status beyond the limit", 128 + 7, beyond.status)
    end(machine)


@promise("a read-only cgroup file system leaves affinity at most, says so, and a request for more is refused",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh("mount -o remount,ro,bind /sys/fs/cgroup 2>/dev/null || mount -o remount,ro /sys/fs/cgroup")
    try:
        start_berthd(machine)
        refused(machine, "--cores 1 --min-isolation cpuset", "read-only")
        start(machine, "--cores 1 --node 1")
        same("CPUs", 2, len(allowed(machine)))
        if "isolation affinity" not in machine.sh("berth show a"):
            raise Failed(machine.sh("berth show a"))
        end(machine)
    finally:
        machine.sh("mount -o remount,rw,bind /sys/fs/cgroup 2>/dev/null; mount -o remount,rw /sys/fs/cgroup; true")


@promise("interrupts that the kernel does not let be moved stay, and are counted", on=shapes.ISOLATED)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    # Every CPU of the second package but those of its first core: the queues of the disks are among them.
    start(machine, "--list 10-15 --min-isolation partition")
    stuck = machine.sh("""
        for irq in /proc/irq/[0-9]*; do
            [ -n "$(ls -d $irq/*/ 2>/dev/null)" ] || continue
            case "$(cat $irq/smp_affinity_list)" in 10|11|12|13|14|15|1[0-5]-1[0-5]) echo ${irq##*/} ;; esac
        done
    """).split()
    same("whether there are such interrupts", True, bool(stuck))
    found = machine.run("sleep 1.1; berth verify")
    same("the status of verify", 0, found.status)
    if "managed" not in found.output and "cannot be moved" not in found.output:
        raise Failed(f"{len(stuck)} interrupts stay on the claim's CPUs, and verify does not say so:\n{found.output}")
    end(machine)
    wait(machine, "the kernel afterwards", before, lambda: snapshot(machine))
