"""The Debian package, in a Debian with systemd."""

import re

import shapes
from lab import cpus, holders, promise, same
from machine import Failed
from programs import ROOT, allowed, claims, end, gone, left, snapshot, sound, start, wait

CONFIGURATION = "/etc/berth/berthd.toml"
ALL = set(range(8))


def login(user):
    """What runs a file of commands in a login shell of somebody."""
    return f"su -l -s /bin/sh {user} -c 'sh {{}}'"


def install(machine):
    """Installs the package unless that was done. The machine remembers what its kernel was before."""
    if not machine.run("dpkg-query -W -f '${db:Status-Status}' berth 2>/dev/null").output.strip() == "installed":
        machine.untouched = snapshot(machine)
        machine.sh("dpkg --force-unsafe-io -i /root/berth.deb", timeout=300)


def prepare(machine):
    """Sees to it that the package is installed, berthd runs and nobody holds a CPU."""
    install(machine)
    machine.sh(f"""
        systemctl reset-failed
        cp /usr/share/berth/berthd.toml {CONFIGURATION}
        systemctl restart berthd
        berth list --json | grep -o '"service_name":"[^"]*"' | cut -d '"' -f 4 | xargs -r -n 1 berth release
    """)


def show(machine, name):
    return machine.sh(f"systemctl show -P {name} berthd")


@promise("right after the installation a program from a login shell has CPUs of its own, and keeps them while systemd reloads "
         "and berthd restarts, stops and starts", on=shapes.SYSTEMD, needs="deb")
def _(machine):
    install(machine)
    log = machine.sh("journalctl -q -u berthd -o cat")
    same("lines that read like an error", [],
         [line for line in log.splitlines() if re.search(r"error|fail|warn|denied|cannot", line, re.IGNORECASE)])
    before = snapshot(machine)
    same("berth.slice", "active", machine.sh("systemctl is-active berth.slice"))
    for options in ("--cores 1 --min-isolation partition", "--pool ordinary --cores 1 --min-isolation partition"):
        start(machine, options, shell=login("root"))
        mine = allowed(machine)
        same("CPUs", 2, len(mine))
        same("whether they are isolated", "ordinary" not in options, mine <= {4, 5, 6, 7})
        for command in ("true", "systemctl daemon-reload", "systemctl restart berthd", "systemctl stop berthd",
                        "systemctl daemon-reload", "systemctl start berthd"):
            machine.sh(command)
            same(f"where the program may run after {command}", mine, allowed(machine))
            same(f"where everybody else may run after {command}", ALL - mine, left(machine))
        sound(machine)
        end(machine)
        wait(machine, "the kernel afterwards", before, lambda: snapshot(machine))
    same("berth.slice afterwards", "active", machine.sh(f"systemctl is-active berth.slice; [ -d {ROOT}/berth.slice ]"))


@promise("a unit of systemd runs its program on CPUs of its own, over restarts, and gives them back when it is stopped",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    # As in docs/enforcement.md.
    machine.sh("""
        cat >/etc/systemd/system/engine.service <<'END'
[Unit]
Requires=berthd.service
After=berthd.service

[Service]
ExecStart=/usr/bin/berth run --name engine --cores 1 -- /bin/sh -c 'sleep 1000 & sleep 1000'
ExecStopPost=-+/bin/sh -c 'echo 1 2>/dev/null >/sys/fs/cgroup/berth.slice/claims/run-engine/cgroup.kill'
END
        systemctl daemon-reload
        systemctl start engine
    """)
    for _ in range(2):
        machine.sh("""
            pid=$(systemctl show -P MainPID engine)
            until grep -q 'berth.slice/claims/run-engine$' /proc/$pid/cgroup; do sleep 0.1; done
            systemctl restart engine
            systemctl is-active engine
            ! [ -e /proc/$pid ]
        """)
    machine.sh("""
        systemctl stop engine
        rm /etc/systemd/system/engine.service
        systemctl daemon-reload
        for _ in $(seq 100); do [ -d /sys/fs/cgroup/berth.slice/claims/run-engine ] || break; sleep 0.1; done
        ! pgrep -x sleep
    """)
    gone(machine)


@promise("a member of the group runs programs as the user who they are, within the limit; nobody else's claim is theirs",
         on=shapes.SYSTEMD, needs="deb")
def _(machine):
    prepare(machine)
    machine.sh(f"""
        for user in first second; do id $user >/dev/null 2>&1 || useradd --create-home --groups berth $user; done
        sed -i 's/^#limits.cpus-per-uid.*/limits.cpus-per-uid = 2/' {CONFIGURATION}
        systemctl reload berthd
    """)
    start(machine, "--cores 1 --min-isolation partition", shell=login("first"))
    mine = allowed(machine)
    same("the user", machine.sh("id -u first"),
         machine.sh("sed -n 's/^Uid:\t\\([0-9]*\\).*/\\1/p' /proc/$(cat /tmp/a.pid)/status"))
    over = machine.run("su first -c 'berth run --cpus 1 -- touch /tmp/started'")
    same("the status over the limit", 1, over.status)
    if "limits.cpus-per-uid" not in over.output:
        raise Failed(f"the answer does not name the limit:\n{over.output}")
    machine.sh("[ ! -e /tmp/started ]")
    start(machine, "--cores 1", name="root")
    for command in ("berth release run:a", "berth release run:root", "berth adopt $(cat /tmp/a.pid) --cpus 1",
                    "berth adopt $(cat /tmp/root.pid) --cpus 1", "berth run --name a --cpus 1 -- touch /tmp/started"):
        machine.sh(f"cat >/tmp/second.sh <<'END'\n{command}\nEND\nchmod 0755 /tmp/second.sh")
        tried = machine.run("su second -c 'sh /tmp/second.sh'")
        same(f"whether another user is refused: {command}\n{tried.output}", True, tried.status not in (0, 69, 75))
        same(f"where the program may run after {command}", mine, allowed(machine))
    machine.sh("[ ! -e /tmp/started ]")
    same("claims", {"run:a", "run:root"}, set(claims(machine)))
    machine.sh("su first -c 'berth release run:a'; kill $(cat /tmp/a.pid) $(cat /tmp/root.pid)")
    gone(machine)


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
    # CHOWN, FOWNER, SYS_PTRACE, SYS_ADMIN, SYS_NICE.
    same("its capabilities", {0, 3, 19, 21, 23}, capabilities)
    # What SYS_ADMIN would allow otherwise: filters keep it away.
    same("system calls that it is refused", True, "mount" not in show(machine, "SystemCallFilter").split())
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
