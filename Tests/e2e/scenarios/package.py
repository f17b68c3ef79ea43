"""The Debian package, in a Debian with systemd."""

import shapes
from lab import cpus, holders, promise, same

CONFIGURATION = "/etc/berth/berthd.toml"


def prepare(machine):
    """Installs the package unless that was done, and sees to it that berthd runs and nobody holds a CPU."""
    machine.sh("dpkg-query -W berth >/dev/null 2>&1 || dpkg --force-unsafe-io -i /root/berth.deb", timeout=300)
    machine.sh(f"""
        systemctl reset-failed
        cp /usr/share/berth/berthd.toml {CONFIGURATION}
        systemctl restart berthd
        berth list --json | grep -o '"service_name":"[^"]*"' | cut -d '"' -f 4 | xargs -r -n 1 berth release
    """)


def show(machine, name):
    return machine.sh(f"systemctl show -P {name} berthd")


@promise("the installed package serves: enabled, active, ready, with a socket for its group", on=shapes.SYSTEMD,
         needs="deb")
def _(machine):
    prepare(machine)
    same("the unit", "enabled active", machine.sh("echo $(systemctl is-enabled berthd) $(systemctl is-active berthd)"))
    same("the socket", "root:berth 660", machine.sh("stat -c '%U:%G %a' /run/berth/epa.sock"))
    same("the state directory", "root:root 700", machine.sh("stat -c '%U:%G %a' /var/lib/berth"))
    # Type=notify: systemd calls it active once it has said that it is ready.
    same("what it reports", True, "/run/berth/epa.sock" in show(machine, "StatusText"))
    same("failed units", "", machine.sh("systemctl list-units --failed --plain --no-legend"))
    machine.sh("berth allocate engine 2")
    isolated = cpus(machine.sh("cat /sys/devices/system/cpu/isolated"))
    same("CPUs outside isolcpus", set(), holders(machine)["engine"] - isolated)


@promise("a stranger may not connect, a member of the group may", on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    machine.sh("setpriv --reuid 1000 --regid 1000 --clear-groups berth list", status=77)
    machine.sh("setpriv --reuid 1000 --regid 1000 --groups $(getent group berth | cut -d: -f3) berth allocate mine 1")


@promise("berthd is confined as its unit says", on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    for name, value in {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
                        "PrivateDevices": "yes", "MemoryDenyWriteExecute": "yes", "RestrictSUIDSGID": "yes",
                        "ProtectKernelModules": "yes", "LockPersonality": "yes", "AmbientCapabilities": ""}.items():
        same(name, value, show(machine, name))
    # And as the kernel has it.
    pid = show(machine, "MainPID")
    status = dict(line.split(":\t", 1) for line in machine.sh(f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    same("NoNewPrivs and Seccomp", ("1", "2"), (status["NoNewPrivs"], status["Seccomp"]))
    capabilities = {number for number in range(64) if int(status["CapEff"], 16) >> number & 1}
    # CHOWN, FOWNER, SYS_PTRACE, SYS_NICE.
    same("its capabilities", {0, 3, 19, 23}, capabilities)
    for place in ("/usr", "/etc", "/root", "/home"):
        machine.sh(f"nsenter -t {pid} -m touch {place}/berth-was-here", status=1)
    same("denials in the log", "", machine.sh("dmesg | grep -i 'berthd.*denied' || true"))


@promise("a reload takes a changed configuration, and keeps the old one where the new one is wrong", on=shapes.SYSTEMD,
         needs="deb")
def _(machine):
    prepare(machine)
    pid = show(machine, "MainPID")
    audit = "/var/log/berth/audit.jsonl"
    machine.sh(f"""
        sed -i 's|^#audit-log = .*|audit-log = "{audit}"|' {CONFIGURATION}
        systemctl reload berthd
        for _ in $(seq 50); do [ ! -e {audit} ] || break; sleep 0.1; done
        berth allocate engine 2
        for _ in $(seq 50); do ! grep -q service:engine {audit} || exit 0; sleep 0.1; done
        exit 1
    """)
    machine.sh(f"echo 'no-such-key = 1' >>{CONFIGURATION}")
    same("whether the reload fails", True, machine.run("systemctl reload berthd").status != 0)
    machine.sh("""
        for _ in $(seq 50); do ! journalctl -q -u berthd | grep -q no-such-key || exit 0; sleep 0.1; done
        exit 1
    """)
    same("the holder", {"engine": 2}, {name: len(held) for name, held in holders(machine).items()})
    same("the process", pid, show(machine, "MainPID"))


@promise("claims outlive a stop, and a kill of berthd that systemd answers by a restart", on=shapes.SYSTEMD,
         needs="deb")
def _(machine):
    prepare(machine)
    machine.sh("berth allocate engine 2; berth numa other 1 1")
    before = holders(machine)
    same("holders", ["engine", "other"], sorted(before))
    machine.sh("systemctl stop berthd")
    machine.sh("berth list", status=69)
    same("files in /run/berth of the stopped daemon", "", machine.sh("ls -A /run/berth 2>/dev/null || true"))
    machine.sh("systemctl start berthd")
    same("holders after a stop and a start", before, holders(machine))

    pid = show(machine, "MainPID")
    machine.sh("systemctl kill -s KILL berthd")
    machine.sh(f"""
        for _ in $(seq 200); do
            [ "$(systemctl show -P MainPID berthd)" = {pid} ] || ! berth status >/dev/null 2>&1 || exit 0
            sleep 0.1
        done
        exit 1
    """)
    same("restarts that systemd counted", True, int(show(machine, "NRestarts")) >= 1)
    same("holders after a kill", before, holders(machine))
