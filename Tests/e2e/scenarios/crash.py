"""berthd is killed at any moment, while programs come and go."""

import random

import shapes
from lab import promise, same, start_berthd
from programs import allowed, claims, launch, left, snapshot, sound, wait

CPUS = set(range(16))


def commotion(choice, names, rounds):
    """A script that starts and ends programs for a while, in the middle of which berthd is killed. Adds the names of those
    that it starts."""
    steps = []
    for _ in range(rounds):
        if names and choice.random() < 0.5:
            # It may not run yet, or have been refused: then it is not ended.
            steps.append(f"kill $(cat /tmp/{choice.choice(names)}.pid) 2>/dev/null")
        else:
            name = f"p{choice.randrange(1 << 30)}"
            names.append(name)
            cores = choice.choice(["--cores 1", "--cores 1 --no-balance", "--cpus 1 --shared", "--cpus 3"])
            steps.append(launch(f"--quiet {cores}", name=name))
        steps.append(f"sleep {choice.random() / 2:.2f}")
    delay = choice.random() * rounds / 4
    # Who asks a daemon that is gone gives up, and starts nothing.
    return f"""
        (sleep {delay:.2f}; kill -9 $(cat /run/berthd.pid)) &
        {"".join(step + chr(10) for step in steps)}
        for _ in $(seq 300); do [ -e /proc/$(cat /run/berthd.pid)/exe ] || break; sleep 0.1; done
        for _ in $(seq 300); do pidof berth >/dev/null || exit 0; sleep 0.1; done
        echo "these wait for ever:"; ps | grep 'berth run'; exit 1
    """


def running(machine, names):
    """Those of the programs that run."""
    lines = machine.sh("".join(
        f"[ -s /tmp/{name}.pid ] && [ -e /proc/$(cat /tmp/{name}.pid) ] && echo {name}\n" for name in names) + "true")
    return lines.split()


@promise("berthd killed at a random moment leaves nothing half done: each running program has its CPUs, and nobody else",
         on=shapes.PACKAGES)
def _(machine):
    seed = machine.lab.options.seed
    choice = random.Random(seed)
    start_berthd(machine)
    before = snapshot(machine)
    names = []
    for number in range(4):
        machine.sh(commotion(choice, names, rounds=8))
        start_berthd(machine, keep_state=True)
        names = alive = running(machine, names)
        wait(machine, f"who has claims after kill {number} (seed {seed})", {f"run:{name}" for name in alive},
             lambda: set(claims(machine)))
        sound(machine)
        held = claims(machine)
        for name in alive:
            same(f"where {name} may run", held[f"run:{name}"], allowed(machine, name))
        same("CPUs that everybody else may use", CPUS - set().union(*held.values()) if held else CPUS, left(machine))
        same("cgroups of programs", sorted(f"run-{name}" for name in alive),
             sorted(machine.sh("cd /sys/fs/cgroup; find . -type d -name 'run-*' | sed 's,.*/,,'").split()))
    machine.sh("".join(f"kill $(cat /tmp/{name}.pid)\n" for name in alive) + "true")
    wait(machine, "claims", {}, lambda: claims(machine))
    wait(machine, "the kernel afterwards", before, lambda: snapshot(machine))
