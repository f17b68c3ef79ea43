"""The virtual machines themselves: a check is worth nothing if its tool cannot tell a success from a crash."""

import shapes
from disk import Disk
from lab import promise, same
from machine import Failed, Panic, PowerCut, Timeout


def outcome(action):
    """The name of the exception that an action ends with."""
    try:
        action()
    except (Failed, Panic, PowerCut, Timeout) as error:
        return type(error).__name__
    return "none"


@promise("a script's output and status come back, and one machine runs many scripts", on=shapes.SMALL)
def _(machine):
    result = machine.run("echo one; echo two >&2; exit 7")
    same("the status and output", (7, "one\ntwo\n"), (result.status, result.output))
    same("a script without output", "", machine.run("true").output)
    same("a script killed by a signal", 128 + 9, machine.run("kill -9 $$").status)
    same("an unexpected status", "Failed", outcome(lambda: machine.sh("false")))
    same("the last script", "three", machine.sh("echo three"))


@promise("a panic, a timeout and a power cut are told apart")
def _(lab):
    machine = lab.boot(shapes.SMALL)
    same("a panic", "Panic", outcome(lambda: machine.run("echo c >/proc/sysrq-trigger")))
    same("a complaint of a panic", True, any("Kernel panic" in line for line in machine.complaints()))
    lab.end()
    machine = lab.boot(shapes.SMALL)
    same("a timeout", "Timeout", outcome(lambda: machine.run("sleep 3", timeout=1)))
    same("the output before a power cut", "written\n", machine.cut_power("echo written; sleep 100", at="written"))
    same("a power cut", "PowerCut", outcome(lambda: machine.run("true")))


@promise("a power cut takes what was not flushed, and nothing else")
def _(lab):
    disks = [Disk(lab.cache / f"tool-{keep}.img", megabytes=4, keep=keep, seed=lab.options.seed)
             for keep in ("flushed", "random", "all")]
    write = """
        tr '\\0' {0} </dev/zero | dd of=/tmp/{0} bs=64k count=1 iflag=fullblock 2>/dev/null
        for disk in a b c; do
            dd if=/tmp/{0} of=/dev/vd$disk bs=64k seek=16 oflag=direct conv=notrunc{1} 2>/dev/null
        done
    """
    script = write.format("A", ",fsync") + write.format("B", "") + "echo written; sleep 100"

    def content(disk):
        with open(disk.path, "rb") as file:
            file.seek(1 << 20)
            block = file.read(1 << 16)
        return {letter: block.count(letter.encode()) for letter in "AB" if letter.encode() in block}

    lab.boot(shapes.SMALL, disks).cut_power(script, at="written")
    flushed, mixed, written = map(content, disks)
    same("what was flushed", {"A": 1 << 16}, flushed)
    same("what was written", {"B": 1 << 16}, written)
    same("letters on the disk", ["A", "B"], sorted(mixed))
    same("half sectors", [0, 0], [count % 512 for count in mixed.values()])


@promise("a machine has the packages, threads, nodes and distances of its shape", on=shapes.NODES)
def _(machine):
    same("threads of a core", "2-3", machine.sh("cat /sys/devices/system/cpu/cpu2/topology/thread_siblings_list"))
    same("CPUs of the nodes", ["0-3", "4-7", "8-11", ""],
         [machine.sh(f"cat /sys/devices/system/node/node{node}/cpulist") for node in range(4)])
    same("nodes with memory", "0-1,3", machine.sh("cat /sys/devices/system/node/has_memory"))
    same("distances", "17 17 28 10", machine.sh("cat /sys/devices/system/node/node3/distance"))
    same("isolated CPUs", "2-11", machine.sh("cat /sys/devices/system/cpu/isolated"))


@promise("the probe stays where it is told, and reports refusals", on=shapes.NODES)
def _(machine):
    same("where it ran", "ran on 3", machine.sh("taskset 8 probe where 1"))
    same("its affinity", "affinity 5", machine.sh("taskset 20 probe show | head -n 1"))
    same("memory of a node without CPUs", "touched", machine.sh("probe touch 3 8 0"))
    same("memory of no node", "mbind: Invalid argument", machine.sh("probe touch 9 8 0", status=1))
    same("huge pages where there are none", "mmap: Cannot allocate memory", machine.sh("probe huge 2048 1 0", status=1))


@promise("a machine has interrupts that can be moved, and managed ones that cannot", on=shapes.ISOLATED)
def _(machine):
    lines = [line.split() for line in machine.sh("cat /proc/interrupts").splitlines()]
    numbers = {words[-1]: words[0].rstrip(":") for words in lines}
    names = sorted(numbers)
    same("queues of the disks", [4, 2], [sum("-req." in name for name in names),
                                         sum(name.startswith("nvme0q") and name != "nvme0q0" for name in names)])
    same("inputs of the network cards", 2, sum("-input." in name for name in names))
    movable = next(number for name, number in numbers.items() if name.endswith("-config"))
    list_file = f"/proc/irq/{movable}/smp_affinity_list"
    before = machine.sh(f"cat {list_file}")
    same("where it was moved", "3", machine.sh(f"echo 3 >{list_file}; cat {list_file}"))
    machine.sh(f"echo {before} >{list_file}")
    machine.sh(f"echo 3 >/proc/irq/{numbers['nvme0q1']}/smp_affinity_list", status=1)
