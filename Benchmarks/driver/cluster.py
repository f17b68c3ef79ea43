"""The lines of a cluster, which berth-cluster-bench measures in one process, against a stand-in for an API server."""

import json
import os
import subprocess

from .report import Line
from .servers import Broken

# By the names of berth-cluster-bench: what the line says, what counts, its limit, and whether that is the least.
LINES = {
    "controller-start": ("the controller has decided about 50,000 bindings of 5,000 nodes", "p50", 30, False),
    "controller-memory": ("its memory then", "p50", 600, False),
    "controller-idle": ("its share of a core when nothing changes", "p50", 1, False),
    "controller-other-pods": ("its CPU time for a pod that another scheduler places", "p50", 1, False),
    "node-memory": ("the memory of berth-node beside 50,000 bindings of other nodes", "p50", 60, False),
    "node-idle": ("its share of a core when nothing changes; it writes nothing then", "p50", 1, False),
    "controller-claim": ("a new binding gets its claim, p99", "p99", 100, False),
    "node-pinned": ("a new binding's pod has its CPUs, written and read back, p99", "p99", 100, False),
    "extender-start": ("the extender knows 5,000 nodes and 50,000 bindings", "p50", 30, False),
    "extender-fits": ("filter and prioritize of a pod that fits 5,000 nodes, p99", "p99", 10, False),
    "extender-refused": ("filter and prioritize of a pod that fits none, p99", "p99", 10, False),
    "extender-pods": ("pods a second through filter, prioritize and bind", "p50", 100, True),
}


def extender(bench):
    """berth-cluster-bench, beside berthd: JSON lines {"name", "unit", "p50", "p99", ...}."""
    program = os.path.join(os.path.dirname(bench.berthd), "berth-cluster-bench")
    if not os.access(program, os.X_OK):
        return [Line("extender", text, limit, "", [], least=least, note="berth-cluster-bench is not built")
                for text, _, limit, least in LINES.values()]
    arguments = ["--rounds", "100", "--pods", "1000"] if bench.rounds < 5 else []
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise Broken(f"berth-cluster-bench ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    lines = []
    for text in filter(str.strip, done.stdout.splitlines()):
        try:
            row = json.loads(text)
            name, unit, figures = str(row.pop("name")), str(row.pop("unit")), {k: float(v) for k, v in row.items()}
            text, figure, limit, least = LINES[name]
            lines.append(Line("extender", text, limit, unit, [figures[figure]], figures, least=least))
        except (ValueError, KeyError, TypeError):
            raise Broken(f"berth-cluster-bench printed a line of another form: {text[:200]}")
    if len(lines) != len(LINES):
        raise Broken(f"berth-cluster-bench printed {len(lines)} lines and not {len(LINES)}")
    return lines


SECTIONS = {"extender": extender}
