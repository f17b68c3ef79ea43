"""The lines about enforcement on real kernels: scenarios of Tests/e2e in virtual machines, which print figures."""

import glob
import os
import re
import shutil
import subprocess

from driver.report import Line
from driver.servers import Broken

FIGURE = re.compile(r"figure: (\S+): (.*): ([\d.]+) x \(([\d.]+) to ([\d.]+); at most ([\d.]+) wanted\), "
                    r"([\d.]+) ms beside ([\d.]+) ms")
CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def kernels(bench):
    """Ratios to what cannot be avoided, measured in machines that are emulated: see Tests/e2e/README.md."""
    berth = os.path.join(os.path.dirname(bench.berthd), "berth")
    needed = [(os.geteuid() == 0, "needs root"), (shutil.which("qemu-system-x86_64"), "there is no qemu-system-x86_64"),
              (os.access(berth, os.X_OK), "berth is not beside berthd")]
    for is_there, note in needed:
        if not is_there:
            return [Line("kernels", "enforcement on real kernels (all its lines)", None, "", [], note=note)]
    packages = sorted(glob.glob(os.path.join(CHECKOUT, "dist", "berth_*.deb")))
    command = [os.path.join(CHECKOUT, "Tests/e2e/run"), "--berthd", bench.berthd, "--berth", berth, "--only", "speed"]
    command += ["--deb", packages[-1]] if packages else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    if done.returncode != 0:
        raise Broken(f"Tests/e2e/run ended with status {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    lines = []
    for version, what, ratio, least, most, limit, ours, floor in FIGURE.findall(done.stdout):
        lines.append(Line("kernels", f"Linux {version}: {what}", float(limit), "x",
                          [float(least), float(ratio), float(most)], {"ms": float(ours), "floor ms": float(floor)}))
    if not lines:
        raise Broken("Tests/e2e/run printed no figure")
    if not packages:
        lines.append(Line("kernels", "what berth run adds, beside systemd-run --scope", 2, "x", [],
                          note="there is no package in dist: make deb"))
    return lines
