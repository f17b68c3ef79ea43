"""CPUs go offline and come back while programs run on them."""

import shapes
from lab import cpus, promise, same, start_berthd
from programs import allowed, end, left, snapshot, sound, start, wait

ALL = set(range(16))


def online(machine, cpu, state):
    """Whether the kernel took the CPU offline (0) or online (1)."""
    return machine.run(f"echo {state} >/sys/devices/system/cpu/cpu{cpu}/online").status == 0


def others(machine, mine):
    """A CPU that the program does not have, and no boot parameter isolates."""
    return max(ALL - mine - cpus(machine.sh("cat /sys/devices/system/cpu/isolated")))


def cycle(machine, mine, *groups, is_balanced=True):
    """Takes groups of CPUs offline under load, one after the other, and brings them back."""
    for group in groups:
        refused = [cpu for cpu in group if not online(machine, cpu, 0)]
        # Linux 6.12 does not take the last CPU of a partition with load balancing, and makes the partition invalid when it is
        # asked to.
        is_last = machine.kernel.version == "6.12" and is_balanced and set(group) == mine
        same("CPUs that the kernel does not take offline", group[-1:] if is_last else [], refused)
        group = [cpu for cpu in group if cpu not in refused]
        rest = mine - set(group)
        if rest and not is_last:
            same("where the program may run", rest, allowed(machine))
        wait(machine, "whether verify finds drift", bool(mine & set(group)),
             lambda: machine.run("berth verify").status != 0)
        for cpu in group:
            online(machine, cpu, 1)
        sound(machine)
        same("where the program may run afterwards", mine, allowed(machine))
        same("CPUs that everybody else may use", ALL - mine, left(machine))


@promise("CPUs that go offline and come back under load leave a claim as it was, and the kernel without a fault",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    # Two spinning programs are load enough for a machine all of whose CPUs share one of the host's.
    machine.sh("probe spin - 1000 load >/dev/null 2>&1 &")
    start(machine, "--cores 1 --node 1 --min-isolation partition", "probe spin - 1000 claimed")
    mine = allowed(machine)
    cycle(machine, mine, [max(mine)], [others(machine, mine)], sorted(mine))
    end(machine)
    start(machine, "--cores 1 --no-balance", "probe spin - 1000 claimed")
    mine = allowed(machine)
    cycle(machine, mine, [max(mine)], sorted(mine), is_balanced=False)
    end(machine)
    machine.sh("killall probe; true")
    same("the kernel afterwards", before, snapshot(machine))


@promise("with isolcpus too, and a machine that comes close to a crash says so in the log", on=shapes.ISOLATED)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    machine.sh("probe spin - 1000 load >/dev/null 2>&1 &")
    start(machine, "--cores 1 --min-isolation partition", "probe spin - 1000 claimed")
    mine = allowed(machine)
    cycle(machine, mine, [max(mine)], sorted(mine))
    end(machine)
    # CPUs 0, 1, 8 and 9 are all that is not isolated, and two of them go to a program.
    start(machine, "--pool ordinary --list 8-9 --min-isolation partition", "probe spin - 1000 claimed")
    machine.sh(": >/run/berthd.log")
    same("whether CPU 1 went offline", True, online(machine, 1, 0))
    machine.sh("""
        for _ in $(seq 300); do ! grep 'CPU 0 alone is left' /run/berthd.log | grep -q ERROR || exit 0; sleep 0.1; done
        cat /run/berthd.log
        exit 1
    """)
    online(machine, 1, 1)
    sound(machine)
    end(machine)
    machine.sh("killall probe; true")
    same("the kernel afterwards", before, snapshot(machine))
