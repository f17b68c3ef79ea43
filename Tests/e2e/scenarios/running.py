"""Programs on CPUs of their own, as the kernel sees them."""

import shapes
from lab import Skipped, cpus, promise, same, start_berthd
from machine import Failed
from programs import SLICE, allowed, end, gone, left, snapshot, start, wait


@promise("a program runs alone on whole cores of the node that it asks for, and all comes back when it ends", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--cores 2 --node 1 --min-isolation partition")
    mine = allowed(machine)
    siblings = [cpus(machine.sh(f"cat /sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")) for cpu in mine]
    same("CPUs", 4, len(mine))
    same("CPUs of half cores", set(), set().union(*siblings) - mine)
    same("CPUs of another node", set(), mine - cpus(machine.sh("cat /sys/devices/system/node/node1/cpulist")))
    same("memory nodes", "1", machine.sh("sed -n 's/^Mems_allowed_list:\\t//p' /proc/$(cat /tmp/a.pid)/status"))
    same("CPUs that everybody else may use", set(range(16)) - mine, left(machine))
    same("the partition", "root", machine.sh(f"cat {SLICE}/cpuset.cpus.partition"))
    default = int(machine.sh("cat /proc/irq/default_smp_affinity").replace(",", ""), 16)
    same("CPUs for new interrupts", set(range(16)) - mine, {cpu for cpu in range(16) if default >> cpu & 1})
    machine.sh("berth verify")
    end(machine)
    same("the kernel afterwards", before, snapshot(machine))


@promise("a thread that is pinned onto somebody's CPU is found, and named", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    # The intruder is there first: a partition does not change the mask of what is pinned already on every kernel.
    start(machine, "--cores 2")
    cpu = min(allowed(machine))
    machine.sh(f"""
        # Into the claim's partition, but not into its cgroup.
        mkdir {SLICE}/claims/stranger
        sh -c 'echo $$ >{SLICE}/claims/stranger/cgroup.procs; exec probe spin {cpu} 1000 intruder' >/dev/null 2>&1 &
        echo $! >/run/intruder.pid
        sleep 1
    """)
    found = machine.run("berth verify")
    same("the status", 1, found.status)
    if "intruder" not in found.output:
        raise Failed(f"the intruder is not named:\n{found.output}")
    machine.sh(f"""
        kill $(cat /run/intruder.pid); sleep 1; rmdir {SLICE}/claims/stranger
        sleep 1.1; berth verify
    """)
    end(machine)


@promise("exit status and signals are those of the program, which does not start where it is refused", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    same("the status", 7, machine.run("berth run --quiet --cores 1 -- sh -c 'exit 7'").status)
    same("the status", 128 + 9, machine.run("sh -c 'berth run --quiet --cores 1 -- sh -c \"kill -9 \\$\\$\"; exit $?'").status)
    same("the status of no program", 127, machine.run("berth run --cores 1 -- /nothing").status)
    refused = machine.run("berth run --cores 99 -- touch /run/started")
    same("the status of a refusal", 1, refused.status)
    machine.sh("[ ! -e /run/started ]")
    plan = machine.run("berth plan --cores 99")
    same("what the plan says", refused.output, plan.output)
    same("signals that are blocked", 0,
         int(machine.sh("berth run --quiet --cores 1 -- sed -n 's/^SigBlk:\\t//p' /proc/self/status"), 16))
    gone(machine)


@promise("a program inherits what it would have without berth: signals, and no other descriptors", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    what = "sh -c 'grep Sig /proc/self/status | grep -v SigQ; ls /proc/self/fd'"
    same("signals and descriptors", machine.sh(what), machine.sh(f"berth run --quiet --cores 1 -- {what}"))
    gone(machine)


@promise("a program gives up its memory nodes while it runs, and a name in use is told so", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    start(machine, "--cores 1 --node 1", name="nodes")
    result = machine.run("berth run --name nodes --cores 1 -- true")
    same("whether the name is said to be in use", True, "run:nodes is there already" in result.output)
    machine.sh("berth resize nodes --cores 1 --node 0 && berth resize nodes --cores 1")
    same("the memory nodes", "0-1", machine.sh("cat /sys/fs/cgroup/berth.slice/claims/run-nodes/cpuset.mems"))
    end(machine, "nodes")
    gone(machine)


@promise("an interrupt that somebody sends to claimed CPUs alone goes back to the rest of the machine", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    start(machine, "--list 4-5", name="irq")
    irq = machine.sh("""
        for irq in /proc/irq/[0-9]*; do
            echo 4 2>/dev/null >$irq/smp_affinity_list && { basename $irq; break; }
        done
    """)
    wait(machine, "the CPUs of the interrupt", False,
         lambda: 4 in cpus(machine.sh(f"cat /proc/irq/{irq}/smp_affinity_list")))
    end(machine, "irq")
    gone(machine)


@promise("where enforcement is switched off, claims that were enforced end, and the machine is as before", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--list 4-5", name="off")
    start_berthd(machine, configuration="[enforcement]\nmode = \"off\"", keep_state=True)
    gone(machine)
    same("the machine", before, snapshot(machine))
    machine.sh("kill $(cat /tmp/off.pid)")


@promise("a claim lives as long as any process that the program left behind", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh("berth run --quiet --name a --cores 1 -- sh -c 'sleep 8 >/dev/null 2>&1 & exit 0'")
    machine.sh("sleep 1; berth show a")
    gone(machine)


@promise("berthd that is killed finds its claims again: a program that ended meanwhile has none, one that runs keeps its CPUs",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--cores 1 --name b", name="b")
    start(machine, "--cores 1")
    mine = allowed(machine)
    machine.sh("kill -9 $(cat /run/berthd.pid); kill $(cat /tmp/b.pid); sleep 0.5")
    start_berthd(machine, keep_state=True)
    machine.sh("for _ in $(seq 100); do berth show b >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1")
    same("the CPUs of the one that runs", mine, allowed(machine))
    same("CPUs that everybody else may use", set(range(16)) - mine, left(machine))
    end(machine)
    same("the kernel afterwards", before, snapshot(machine))


@promise("a release gives the CPUs back while the program runs on", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--cores 1")
    machine.sh("berth release run:a")
    same("where the program may run", set(range(16)), allowed(machine))
    same("the kernel", before, snapshot(machine))
    same("the status of a release of nobody", 2, machine.run("berth release run:a").status)
    machine.sh("kill $(cat /tmp/a.pid)")


@promise("a running program is adopted, with its threads", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    machine.sh("probe thread - 1000 worker >/dev/null 2>&1 & echo $! >/tmp/a.pid; sleep 0.5; berth adopt $! --cores 1 --name a")
    mine = allowed(machine)
    same("CPUs", 2, len(mine))
    for thread in machine.sh("cat /proc/$(cat /tmp/a.pid)/task/*/status | sed -n 's/^Cpus_allowed_list:\\t//p'").splitlines():
        same("a thread's CPUs", mine, cpus(thread))
    end(machine)


@promise("isolated CPUs are taken where the kernel isolates any, and the machine keeps one that is not isolated", on=shapes.ISOLATED)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--cores 1 --min-isolation partition")
    same("CPUs outside isolcpus", set(), allowed(machine) - cpus(machine.sh("cat /sys/devices/system/cpu/isolated")))
    # CPUs 0, 1, 8 and 9 are all that is not isolated: a partition over them all would crash these kernels.
    refused = machine.run("berth run --pool ordinary --list 0-1,8-9 -- touch /run/started")
    same("the status", 1, refused.status)
    machine.sh("[ ! -e /run/started ]")
    end(machine)
    same("the kernel afterwards", before, snapshot(machine))


@promise("a CPU that goes offline is reported, and the claim is whole again when it comes back", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    start(machine, "--cores 2 --node 1")
    mine = allowed(machine)
    cpu = max(mine)
    machine.sh(f"echo 0 >/sys/devices/system/cpu/cpu{cpu}/online; sleep 1.1")
    same("verify", 1, machine.run("berth verify").status)
    machine.sh(f"echo 1 >/sys/devices/system/cpu/cpu{cpu}/online; sleep 1.1")
    same("CPUs", mine, allowed(machine))
    machine.sh("for _ in $(seq 400); do berth verify >/dev/null && exit 0; sleep 0.2; done; berth verify")
    end(machine)


@promise("a program that runs gets more CPUs, fewer and others, and all comes back when it ends", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    before = snapshot(machine)
    start(machine, "--cores 2 --node 1 --shared 1")
    first = allowed(machine)
    for options, count in (("--cores 3 --node 1", 6), ("--cores 1 --node 0", 2), ("--cores 1 --node 0 --shared 2", 4)):
        machine.sh(f"berth resize a {options} --min-isolation partition")
        mine = allowed(machine)
        same(f"CPUs after resize {options}", count, len(mine))
        same("CPUs that everybody else may use", set(range(16)) - mine, left(machine))
        machine.sh("sleep 1.1; berth verify")
    same("CPUs that it has from before", set(), mine & first)
    refused = machine.run("berth resize a --cores 9")
    same("the status of what is too much", 1, refused.status)
    same("its CPUs after that", mine, allowed(machine))
    end(machine)
    same("the kernel afterwards", before, snapshot(machine))


@promise("other CPUs take the place of one that goes offline, where the configuration says so", on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine, configuration='enforcement.offline = "refill"')
    start(machine, "--cores 2 --node 1")
    mine = allowed(machine)
    cpu = max(mine)
    machine.sh(f"echo 0 >/sys/devices/system/cpu/cpu{cpu}/online")
    wait(machine, "the number of CPUs without the one that is offline", 4, lambda: len(allowed(machine) - {cpu}))
    same("CPUs of another node", set(), allowed(machine) - cpus(machine.sh("cat /sys/devices/system/node/node1/cpulist")))
    machine.sh(f"""
        berth events --json | grep '"action":"refill"' >/dev/null
        echo 1 >/sys/devices/system/cpu/cpu{cpu}/online
    """)
    wait(machine, "whether the CPU is everybody's again", True, lambda: cpu in left(machine))
    end(machine)


@promise("control groups of version 1 keep a program on its CPUs, and a partition is refused there with the reason", on=shapes.LEGACY)
def _(machine):
    if machine.kernel.version != "6.1":
        raise Skipped("this kernel has no cpusets of version 1")
    start_berthd(machine)
    refused = machine.run("berth run --cores 1 --min-isolation partition -- true")
    same("the status", 1, refused.status)
    start(machine, "--cores 1")
    same("CPUs", 2, len(allowed(machine)))
    if "cpuset" not in machine.sh("berth show a"):
        raise Failed(machine.sh("berth show a"))
    end(machine)
