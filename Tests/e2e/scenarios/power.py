"""The power fails, and the disk forgets what it was not told to keep."""

import random
import re

import shapes
from disk import Disk
from lab import cpus, holders, promise, same, start_berthd

MOUNT = "mkdir -p /var/lib/berth && mount -t ext4 /dev/vda /var/lib/berth"

ANSWER = re.compile(r'"service_name":"(\S+?)","num_of_cores":1,\S*"allocated_cores":"([\d,-]+)"')


def changes(choice, held, count):
    """So many commands, and who holds a CPU after each of them."""
    names, steps = set(held), []
    for _ in range(count):
        name = f"service-{choice.randrange(6)}"
        command = f"release {name}" if name in names else f"allocate {name} 1"
        names = names ^ {name}
        steps.append((command, frozenset(names)))
    return steps


@promise("changes that were acknowledged before a power cut are there after it")
def _(lab):
    seed = lab.options.seed
    choice = random.Random(seed)
    disk = Disk(lab.cache / f"power-{lab.kernel.version}.img")
    possible = [frozenset()]
    answered = {}
    for keep in ("flushed", "random", None):
        machine = lab.boot(shapes.SMALL, [disk])
        machine.sh(MOUNT)
        start_berthd(machine, keep_state=True)
        held = holders(machine)
        # The change that waited for its answer may have been made, or not.
        if frozenset(held) not in possible:
            same(f"who holds CPUs after the power cut (seed {seed})", list(map(sorted, possible)), sorted(held))
        moved = {name: (answered[name], now) for name, now in held.items() if answered.get(name, now) != now}
        same(f"CPUs that changed with the power cut (seed {seed})", {}, moved)
        same("different CPUs held", len(held), len(set().union(*held.values())))
        if keep is None:
            return
        steps = changes(choice, held, 1000)
        script = "\n".join(f"berth {command} --json && echo 'done {number}' || exit 1"
                           for number, (command, _) in enumerate(steps, 1))
        disk.keep, disk.seed = keep, choice.random()
        output = machine.cut_power(script, at=f"done {choice.randrange(5, 30)}", after=choice.random() / 4)
        done = int(re.findall(r"(?m)^done (\d+)$", output)[-1])
        possible = [steps[done - 1][1], steps[done][1]]
        answered = {**held, **{name: cpus(text) for name, text in ANSWER.findall(output)}}
        answered = {name: now for name, now in answered.items() if all(name in names for names in possible)}
        lab.end()
