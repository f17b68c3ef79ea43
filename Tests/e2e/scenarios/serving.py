"""berthd in machines of several shapes, without a service manager."""

import json
import re
from pathlib import Path

import shapes
from lab import promise, read_json, same, start_berthd
from machine import Failed

MACHINES = Path(__file__).resolve().parent.parent / "machines"


def compare_capture(machine, name):
    """Compares what `berth topology capture` writes with the fixture, all but the sizes of memory, which depend on the
    kernel's build."""
    found = read_json(machine, f"berth topology capture - --name {name}")
    fixture = MACHINES / f"{name}.json"
    if machine.lab.options.record:
        fixture.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

    def comparable(capture):
        return {path: text for path, text in capture["files"].items() if not path.endswith("/meminfo")}

    expected, found = comparable(json.loads(fixture.read_text())), comparable(found)
    differences = [f"{path}: the fixture has {expected.get(path)!r}, the machine {found.get(path)!r}"
                   for path in sorted({*expected, *found}) if expected.get(path) != found.get(path)]
    if differences:
        raise Failed(f"{fixture.name} differs:\n" + "\n".join(differences))
