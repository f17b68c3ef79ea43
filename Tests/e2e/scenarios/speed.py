"""How long enforcement takes, as ratios to what cannot be avoided. Nothing here fails because it is slow: a machine that is
emulated shows ratios, and roughly."""

import statistics

import shapes
from lab import promise, start_berthd
from package import prepare
from programs import gone


def numbers(text):
    return [int(line) for line in text.split()]


def print_ratio(machine, what, ours, floor, target):
    ratios = sorted(mine / theirs for mine, theirs in zip(ours, floor))
    print(f"figure: {machine.kernel.version}: {what}: {statistics.median(ratios):.2f} x "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f}; at most {target} wanted), "
          f"{statistics.median(ours) / 1000:.1f} ms beside {statistics.median(floor) / 1000:.1f} ms", flush=True)


@promise("the time from a request until it is enforced and read back, beside the same writes made by a C program",
         on=shapes.PACKAGES)
def _(machine):
    start_berthd(machine)
    ours, floor = [], []
    # In turns, the first round for warmth.
    for number in range(8):
        mine = numbers(machine.sh("speed request /run/berth/berth.sock 8-11 1 3"))
        theirs = numbers(machine.sh("speed writes 8-11 1 3"))
        if number:
            ours += mine
            floor += theirs
    print_ratio(machine, "request to enforced and read back", ours, floor, 1.5)


def start_times(machine, command, rounds):
    """The microseconds from before a command until the first instruction of the program that it starts."""
    lines = numbers(machine.sh(f"for _ in $(seq {rounds}); do speed now; {command} speed now; sleep 0.2; done"))
    return [after - before for before, after in zip(lines[::2], lines[1::2])]


@promise("the time that berth run adds before a program's first instruction, beside systemd-run --scope",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    ours, floor = [], []
    for number in range(5):
        plain = start_times(machine, "", 3)
        mine = start_times(machine, "berth run --quiet --name speed --cores 1 --", 3)
        gone(machine)
        theirs = start_times(machine, "systemd-run --quiet --scope", 3)
        if number:
            least = statistics.median(plain)
            ours += [max(time - least, 1) for time in mine]
            floor += [max(time - least, 1) for time in theirs]
    print_ratio(machine, "what berth run adds", ours, floor, 2)
