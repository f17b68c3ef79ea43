"""What scenarios are made of. A scenario is a function with a promise:

    @promise("berthd serves a machine of two packages", on=shapes.PACKAGES)
    def _(machine):
        machine.sh(...)

With `on`, checks of one shape share a machine, and a fresh one is booted after a check that failed. Without it, the
function gets the lab, and boots what it needs: lab.boot(shape, disks=...).
"""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from debian import root_file_system
from machine import Failed, Machine

PROMISES = []

# C programs of this directory, in every machine.
TOOLS = ["probe", "speed"]


class Skipped(Exception):
    """Something that the check needs is not there. Says what."""


@dataclass
class Promise:
    text: str
    shape: object
    needs: str
    check: object
    file: str


def promise(text, on=None, needs=None):
    """`needs` is an option of `run` without which the check is skipped."""
    def register(check):
        PROMISES.append(Promise(text, on, needs, check, Path(check.__code__.co_filename).stem))
        return check
    return register


@contextlib.contextmanager
def alone(cache, name):
    """Waits until no other run has the lock `name`, and holds it."""
    with open(cache / name, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Lab:
    """One kernel, the programs under test, and the machines that run."""

    def __init__(self, kernel, cache, options, programs):
        self.kernel, self.cache, self.options = kernel, cache, options
        self.programs = programs  # by name: berthd, berth, and the tools
        self.machines = []

    def boot(self, shape, disks=()):
        """A machine with the programs on its PATH; with systemd only the tools, and the package as /root/berth.deb."""
        if shape.systemd and os.geteuid() != 0:
            raise Skipped("a machine with systemd needs root")
        root = None
        if shape.systemd:
            with alone(self.cache, "lock"):
                root = root_file_system(self.cache)
        if shape.systemd:
            files = {f"/usr/local/bin/{name}": self.programs[name] for name in TOOLS}
            if self.options.deb:
                files["/root/berth.deb"] = self.options.deb
        else:
            files = {f"/bin/{name}": path for name, path in self.programs.items()}
        machine = Machine(shape, self.kernel, self.cache, files, disks, root)
        machine.lab = self
        self.machines.append(machine)
        return machine

    def end(self):
        """Stops the machines that still run; what their kernels complained of."""
        complaints = []
        while self.machines:
            machine = self.machines.pop()
            with contextlib.suppress(Exception):
                machine.stop()
            complaints += machine.complaints()
            machine.close()
        return complaints


def same(what, expected, actual):
    if expected != actual:
        raise Failed(f"{what}:\nexpected {expected!r}\nfound    {actual!r}")


def start_berthd(machine, options="", configuration="", keep_state=False):
    """Starts berthd in a machine without systemd, in place of one that runs, and waits until it serves."""
    machine.sh(f"""
        {STOP_BERTHD}
        {"" if keep_state else "rm -rf /var/lib/berth/*"}
        mkdir -p /etc/berth /run/berth /var/lib/berth
        chmod 0700 /var/lib/berth
        cat >/etc/berth/berthd.toml <<'END'
{configuration}
END
        berthd serve {options} >>/run/berthd.log 2>&1 &
        echo $! >/run/berthd.pid
        for _ in $(seq 300); do
            if berth status >/dev/null 2>&1; then exit 0; fi
            kill -0 $! || break
            sleep 0.1
        done
        cat /run/berthd.log
        exit 1
    """)


STOP_BERTHD = """
    if [ -e /run/berthd.pid ]; then
        kill "$(cat /run/berthd.pid)" 2>/dev/null
        while [ -e "/proc/$(cat /run/berthd.pid)" ]; do sleep 0.1; done
        rm /run/berthd.pid
    fi
"""


def stop_berthd(machine):
    machine.sh(STOP_BERTHD)


def cpus(text):
    """The numbers of a list in the kernel's form, such as 0-3,8."""
    numbers = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def read_json(machine, command):
    """The JSON document that a command prints."""
    text = machine.sh(command)
    try:
        return json.loads(text)
    except ValueError:
        raise Failed(f"{command} printed no JSON document:\n{text}") from None


def holders(machine):
    """The CPUs that each service holds, as `berth list` says."""
    entries = read_json(machine, "berth list --json")["allocations"]
    return {entry["service_name"]: cpus(entry["allocated_cores"]) for entry in entries}
