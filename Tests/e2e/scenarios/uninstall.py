"""The Debian package goes: the last checks of the machine with systemd."""

import shapes
from lab import cpus, holders, promise, same
from package import ALL, install, login, prepare
from programs import allowed, gone, snapshot, start


@promise("the removal of the package returns the kernel to what it was while programs run on, and keeps the claims",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    # With the slice goes the last unit that needs cpuset, and systemd switches it off: Linux 6.1 then resets what Berth gave back.
    machine.sh("echo \"sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status\" >/tmp/usual.sh")
    usual = cpus(machine.sh(login("root").format("/tmp/usual.sh"))) if machine.kernel.version == "6.12" else ALL
    machine.sh("berth allocate engine 1")
    start(machine, "--cores 1 --min-isolation partition", shell=login("root"))
    machine.sh("dpkg -r berth", timeout=300)
    same("where the program may run after the removal", usual, allowed(machine))
    same("the kernel after the removal", machine.untouched, snapshot(machine))
    machine.sh("kill $(cat /tmp/a.pid)")
    install(machine)
    same("the services after another installation", ["engine"], sorted(holders(machine)))
    gone(machine)
    # And where berthd does not run when it is removed.
    start(machine, "--cores 1", shell=login("root"))
    machine.sh("systemctl stop berthd; dpkg -P berth", timeout=300)
    same("where the program may run after the purge", usual, allowed(machine))
    same("the kernel after the purge", machine.untouched, snapshot(machine))
    same("what is left of the package", "", machine.sh("ls -d /var/lib/berth /etc/berth /run/berth 2>/dev/null; true"))
    machine.sh("kill $(cat /tmp/a.pid)")
