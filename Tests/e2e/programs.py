"""Programs with claims of their own: started, looked at and ended by means other than the code under test."""

import time

from lab import cpus, same
from machine import Failed

ROOT = "/sys/fs/cgroup"
SLICE = f"{ROOT}/berth.slice"


def snapshot(machine):
    """What enforcement changes: who may run where, and the masks of interrupts and workqueues."""
    return machine.sh(f"""
        cat {ROOT}/cpuset.cpus.effective 2>/dev/null || cat /sys/devices/system/cpu/online
        find {ROOT}/berth.slice -type d 2>/dev/null
        cat {SLICE}/cpuset.cpus {SLICE}/cpuset.cpus.exclusive 2>/dev/null
        cat /proc/irq/default_smp_affinity /sys/devices/virtual/workqueue/cpumask
        for irq in /proc/irq/[0-9]*; do echo "$irq $(cat $irq/smp_affinity_list)"; done
    """)


def launch(options, command="sleep 1000", name="a", shell="sh {}"):
    """A script that starts a program in the background. `shell` runs a file of commands, in place of {}."""
    return f"""
        rm -f /tmp/{name}.pid
        cat >/tmp/{name}.sh <<'END'
exec berth run --name {name} {options} -- sh -c 'echo $$ >/tmp/{name}.pid; exec {command}'
END
        chmod 0755 /tmp/{name}.sh
        {shell.format(f'/tmp/{name}.sh')} >/tmp/{name}.log 2>&1 &
    """


def start(machine, options, command="sleep 1000", name="a", shell="sh {}"):
    """Starts a program, and waits until it runs."""
    machine.sh(f"""
        {launch(options, command, name, shell)}
        for _ in $(seq 600); do
            [ ! -s /tmp/{name}.pid ] || exit 0
            kill -0 $! || break
            sleep 0.1
        done
        cat /tmp/{name}.log
        exit 1
    """)


def allowed(machine, name="a"):
    """The CPUs that the kernel lets a program have."""
    return cpus(machine.sh(f"sed -n 's/^Cpus_allowed_list:\t//p' /proc/$(cat /tmp/{name}.pid)/status"))


def left(machine):
    """The CPUs that the kernel leaves to everybody else."""
    return cpus(machine.sh(f"cat {ROOT}/cpuset.cpus.effective"))


def claims(machine):
    """The CPUs of each holder, as `berth claims` says."""
    rows = [line.split() for line in machine.sh("berth claims").splitlines()]
    return {row[0]: cpus(row[1]) for row in rows if len(row) > 1 and ":" in row[0]}


def end(machine, name="a"):
    machine.sh(f"kill $(cat /tmp/{name}.pid) 2>/dev/null || true")
    gone(machine)


def gone(machine):
    """Waits until no program has a claim."""
    wait(machine, "claims of programs", {}, lambda: {name: held for name, held in claims(machine).items()
                                                     if name.startswith("run:")})


def wait(machine, what, expected, find, seconds=120):
    """Waits until something is as expected."""
    deadline = time.monotonic() + seconds
    while (found := find()) != expected:
        if time.monotonic() > deadline:
            same(what, expected, found)
        machine.sh("sleep 0.2")


def sound(machine):
    """Waits until `berth verify` finds no drift. It looks once a second at most, and berthd may be about to repair."""
    result = machine.run("""
        for _ in $(seq 60); do
            berth verify >/tmp/verify.log 2>&1 && exit 0
            sleep 1
        done
        cat /tmp/verify.log
        exit 1
    """)
    if result.status:
        raise Failed(f"berth verify finds drift:\n{result.output}")
