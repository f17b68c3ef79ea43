"""What becomes of the affinities of threads that have no claim, which the kernel sets anew."""

import shapes
from lab import cpus, promise, same, start_berthd, stop_berthd
from package import login, prepare
from programs import allowed, end, left, sound, start

# Two programs, one of them in a control group, which pin themselves; one that inherits its affinity; a service that a shell
# with an affinity starts; and the kernel's threads that belong to a node.
PINNED = """
    probe spin 2-5 1000 >/dev/null 2>&1 &
    echo pinned $! >/tmp/others
    mkdir -p /sys/fs/cgroup/others
    probe spin 8-9 1000 >/dev/null 2>&1 &
    echo $! >/sys/fs/cgroup/others/cgroup.procs
    echo grouped $! >>/tmp/others
    for name in kswapd0 kswapd1 kcompactd0 kcompactd1; do
        pid=$(grep -lx "$name" /proc/[0-9]*/comm 2>/dev/null | cut -d/ -f3)
        [ -z "$pid" ] || echo "$name $pid" >>/tmp/others
    done
    sleep 0.2
"""


def others(machine):
    """Where the threads of /tmp/others may run, by name."""
    rows = machine.sh("""
        while read name pid; do
            echo "$name $(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)"
        done </tmp/others
    """).splitlines()
    return {name: cpus(list) for name, list in (row.split() for row in rows)}


def without(before, taken):
    """What each has while CPUs are taken: all of its cgroup where nothing is left to it."""
    return {name: mine - taken or set(range(16)) - taken for name, mine in before.items()}


@promise("programs that pin themselves, and the kernel's threads of a node, keep their affinities while claims come and go, "
         "but for claimed CPUs, and get all back", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh(PINNED)
    before = others(machine)
    same("whether the threads of the kernel are of nodes", set(range(8)), before["kcompactd0"])
    start(machine, "--list 4-5 --min-isolation partition")
    same("affinities with a claim", without(before, {4, 5}), others(machine))
    start(machine, "--list 8-9 --min-isolation partition", name="b")
    same("affinities with two claims", without(before, {4, 5, 8, 9}), others(machine))
    sound(machine)
    stop_berthd(machine)
    start_berthd(machine, keep_state=True)
    machine.sh("berth release run:b")
    same("affinities with the first claim", without(before, {4, 5}), others(machine))
    end(machine)
    same("affinities without a claim", before, others(machine))
    same("CPUs that everybody may use", set(range(16)), left(machine))
    same("what is still noted", "", machine.sh("ls /var/lib/berth | grep affinities || true").strip())
    machine.sh("kill $(cat /tmp/b.pid); killall probe; sleep 0.2; rmdir /sys/fs/cgroup/others")


@promise("a program that is adopted gets the affinities of its threads back when its claim ends", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh("probe spin 2-5 1000 >/dev/null 2>&1 & echo $! >/tmp/a.pid; sleep 0.2")
    machine.sh("berth adopt $(cat /tmp/a.pid) --name a --list 4-7")
    same("where it runs with a claim, of what it may not have", set(), allowed(machine) - {4, 5, 6, 7})
    again = machine.sh("berth adopt $(cat /tmp/a.pid) --name b --list 8-9")
    same("whether it is said that the program left its claim", True, "it left the claim run:a" in again)
    machine.sh("berth release run:b")
    same("where it runs afterwards", {2, 3, 4, 5}, allowed(machine))
    machine.sh("kill $(cat /tmp/a.pid)")


# The flag of a thread whose affinity the kernel lets nobody else set: PF_NO_SETAFFINITY.
FIXED = 0x04000000


def all_threads(machine):
    """Where each thread of the machine may run whose affinity can be set, by id and name."""
    rows = machine.sh("""
        awk '/^Name:/ { name = $2 } /^Pid:/ { id = $2 } /^Cpus_allowed_list:/ { print id, name, $2 }' \\
            /proc/[0-9]*/task/[0-9]*/status 2>/dev/null || true
    """).splitlines()
    stats = machine.sh("cat /proc/[0-9]*/task/[0-9]*/stat 2>/dev/null || true").splitlines()
    # The seventh field after the name in parentheses holds the flags.
    fixed = {stat.split()[0] for stat in stats if int(stat.rsplit(")", 1)[1].split()[6]) & FIXED}
    fields = [row.rsplit(maxsplit=1) for row in rows if len(row.split()) > 2]
    return {thread: cpus(list) for thread, list in fields if thread.split()[0] not in fixed}


@promise("with isolcpus and systemd, claims on isolated and on other CPUs leave every affinity that can be set as it was",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    before = all_threads(machine)
    for options in ("--cores 1 --min-isolation partition", "--pool ordinary --cores 1 --min-isolation partition"):
        start(machine, options, shell=login("root"))
        mine = allowed(machine)
        during = all_threads(machine)
        same("threads without CPUs of the claim that are not where they were", {},
             {thread: [list, during[thread]] for thread, list in before.items()
              if thread in during and not list & mine and during[thread] != list})
        end(machine)
    after = all_threads(machine)
    same("threads whose affinity is another one", {},
         {thread: [list, after[thread]] for thread, list in before.items() if after.get(thread, list) != list})
