"""The power fails, and the disk forgets what it was not told to keep."""

import random
import re

import shapes
from disk import Disk
from lab import cpus, holders, promise, same, start_berthd
from programs import allowed, end, gone, left, snapshot, sound, start

MOUNT = "mkdir -p /var/lib/berth && mount -t ext4 /dev/vda /var/lib/berth"

ANSWER = re.compile(r'"service_name":"(\S+?)","num_of_cores":1,\S*"allocated_cores":"([\d,-]+)"')


def changes(choice, held, count):
    """So many commands, and who holds a CPU after each of them."""
    names, steps = set(held), []
    for _ in range(count):
        name = f"service-{choice.randrange(4)}"
        command = f"release {name}" if name in names else f"allocate {name} 1"
        names = names ^ {name}
        steps.append((command, frozenset(names)))
    return steps


def enforce_again(machine, untouched):
    """After a power cut no claim is left of the programs that it ended, and CPUs can be claimed again."""
    gone(machine)
    same("the kernel after the power cut", untouched, snapshot(machine))
    start(machine, "--pool ordinary --cores 1 --min-isolation partition")
    same("CPUs", {2, 3}, allowed(machine))
    same("CPUs that everybody else may use", {0, 1, 4, 5, 6, 7}, left(machine))
    sound(machine)
    end(machine)


@promise("changes that were acknowledged before a power cut are there after it, and nothing that was half enforced")
def _(lab):
    seed = lab.options.seed
    choice = random.Random(seed)
    disk = Disk(lab.cache / f"power-{lab.kernel.version}.img")
    possible = [frozenset()]
    answered = {}
    for keep in ("flushed", "random", None):
        machine = lab.boot(shapes.SMALL, [disk])
        machine.sh(MOUNT)
        untouched = snapshot(machine)
        start_berthd(machine, keep_state=True)
        # Claims of programs of the earlier boot end right after the start.
        gone(machine)
        held = holders(machine)
        # The change that waited for its answer may have been made, or not.
        if frozenset(held) not in possible:
            same(f"who holds CPUs after the power cut (seed {seed})", list(map(sorted, possible)), sorted(held))
        moved = {name: (answered[name], now) for name, now in held.items() if answered.get(name, now) != now}
        same(f"CPUs that changed with the power cut (seed {seed})", {}, moved)
        same("different CPUs held", len(held), len(set().union(*held.values())))
        enforce_again(machine, untouched)
        if keep is None:
            return
        steps = changes(choice, held, 1000)
        # Beside the services a program comes and goes all the time, so that enforcement is cut off in the middle.
        script = "while true; do berth run --quiet --name p --pool ordinary --cores 1 -- true; done >/dev/null 2>&1 &\n"
        script += "\n".join(f"berth {command} --json && echo 'done {number}' || exit 1"
                            for number, (command, _) in enumerate(steps, 1))
        disk.keep, disk.seed = keep, choice.random()
        output = machine.cut_power(script, at=f"done {choice.randrange(5, 30)}", after=choice.random() / 4)
        done = int(re.findall(r"(?m)^done (\d+)$", output)[-1])
        possible = [steps[done - 1][1], steps[done][1]]
        answered = {**held, **{name: cpus(text) for name, text in ANSWER.findall(output)}}
        answered = {name: now for name, now in answered.items() if all(name in names for names in possible)}
        lab.end()
