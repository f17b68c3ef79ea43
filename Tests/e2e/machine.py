"""Virtual machines of any shape: booted once, then given one shell script after another.

    machine = Machine(Shape("small", cores=4), Kernel(cache, "6.1"), cache, files={"/bin/berthd": "path"})
    machine.sh("berthd --version")                 what it prints; Failed if the status is not 0
    machine.cut_power(during=script, at="line")

The machine is emulated (never /dev/kvm), has no network unless its shape says so, and one host thread runs all of its
CPUs: with one thread for each, Linux 6.12 panics now and then while it patches its own code.
"""

import contextlib
import os
import re
import secrets
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

GUEST = Path(__file__).resolve().parent / "guest"
COMPLAINT = re.compile(r"\bOops\b|BUG:|general protection fault|WARNING: CPU|Kernel panic")
# Linux 6.12 warns in cpuset.c where a process is killed while it makes an isolated partition: the workqueues' threads, which
# have to leave the CPUs then, cannot be made on behalf of a process that is being killed. It says this just before.
KILLED = "workqueue: Interrupted when creating a worker thread"


class Failed(Exception):
    """A script ended with another status than it should, or a check found something else than it should."""


class Lost(Exception):
    """The machine did not answer. Says what the script printed until then, and the end of the kernel's log."""

    def __init__(self, reason, output, log):
        super().__init__(reason)
        self.output, self.log = output, log

    def __str__(self):
        return f"{self.args[0]}\n--- printed until then:\n{self.output}\n--- the end of the kernel's log:\n{self.log}"


class Panic(Lost):
    """The machine ended by itself."""


class Timeout(Lost):
    """The machine runs, and the script did not end in time."""


class PowerCut(Lost):
    """The power was cut before."""


@dataclass(frozen=True)
class Node:
    """A NUMA node. Without `cpus` it has memory only; without `megabytes` CPUs only."""
    cpus: str = ""
    megabytes: int = 512


@dataclass(frozen=True)
class Shape:
    name: str
    sockets: int = 1
    cores: int = 2  # of each socket
    threads: int = 1  # of each core
    megabytes: int = 512  # where there are no nodes
    nodes: tuple = ()
    distances: tuple = ()  # such as (0, 1, 21)
    arguments: str = ""  # of the kernel: isolcpus=2-3, hugepagesz=2M hugepages=64, …
    cgroup: int = 2
    # For their interrupts: "nic", "nvme QUEUES", "disk QUEUES". With "host" programs reach this machine's loopback at
    # 10.0.2.2, and the machine itself is 10.0.2.15 on eth0.
    devices: tuple = ()
    systemd: bool = False  # a Debian with systemd, in place of busybox alone


@dataclass(frozen=True)
class Result:
    status: int
    output: str


class Machine:
    def __init__(self, shape, kernel, cache, files=(), disks=(), root=None, boot_timeout=600):
        """Boots it, and waits until it takes scripts.

        `files` maps paths in the machine to files here. `disks` are of class Disk: the first is /dev/vda, with systemd
        /dev/vdb. `root` is the image for shapes with systemd; what the machine writes there is forgotten.
        """
        self.shape, self.kernel, self.disks = shape, kernel, list(disks)
        self.power = True
        self.work = tempfile.TemporaryDirectory(prefix="machine-", dir=cache)
        work = Path(self.work.name)
        self.log_path = work / "kernel.log"
        self.log_path.touch()
        with open(work / "initramfs", "wb") as file:
            write_initramfs(file, kernel, dict(files), shape.systemd)
        self.link, far = socket.socketpair()
        ends = [far] + [disk.attach() for disk in self.disks]
        command = ["nice", "-n", "5", *arguments(shape, kernel, work, [end.fileno() for end in ends], root)]
        with open(work / "qemu.log", "wb") as complaints:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=complaints, stderr=complaints,
                                            pass_fds=[end.fileno() for end in ends],
                                            env={**os.environ, "TMPDIR": str(work)})
        for end in ends:
            end.close()
        self.received = b""
        try:
            self._receive(rb"ready\n", boot_timeout)
            if shape.systemd:
                self.run("systemctl is-system-running --wait", timeout=boot_timeout)
        except BaseException:
            self._kill()
            raise

    def run(self, script, timeout=300):
        """What a script printed on both streams, and its status. /bin/sh runs it as root."""
        token = self._send(script)
        found = self._receive(rb"%s start\n(.*)\n%s end (\d+)\n" % (token, token), timeout)
        return Result(int(found[2]), found[1].decode(errors="replace"))

    def sh(self, script, status=0, timeout=300):
        """What the script printed, without space around it. Failed if it ended with another status."""
        result = self.run(script, timeout)
        if result.status != status:
            raise Failed(f"status {result.status} instead of {status} of: {script.strip()}\nIt printed:\n{result.output}")
        return result.output.strip()

    def cut_power(self, during, at, after=0, timeout=300):
        """Ends the machine as it is, `during` a script: `after` so many seconds from when it prints the line `at`.
        Returns what the script printed."""
        token, line = self._send(during), re.escape(at.encode())
        found = self._receive(rb"%s start\n(.*?^%s\n|.*\n%s end \d+\n)" % (token, line, token), timeout)
        if not found[1].endswith(at.encode() + b"\n"):
            raise Failed(f"the script ended before it printed {at}; it printed:\n{found[1].decode(errors='replace')}")
        with contextlib.suppress(Timeout):
            self._receive(rb"%s end" % token, after)
        self._kill()
        for disk in self.disks:
            disk.settle(disk.keep)
        return (found[1] + self.received).decode(errors="replace")

    def stop(self):
        """Ends the machine in an orderly way: its disks keep everything."""
        if not self.power:
            return
        if self.disks:
            self._send("sync; poweroff -f")
            self.process.wait(300)
        self._kill()
        for disk in self.disks:
            disk.settle("all")

    def close(self):
        """Forgets the machine's files."""
        self._kill()
        self.work.cleanup()

    def log(self):
        """The kernel's log."""
        return self.log_path.read_text(errors="replace")

    def complaints(self):
        """What the kernel's log says of faults in the kernel: each with the lines that follow it, such as its trace."""
        lines = self.log().splitlines()
        return ["\n".join(lines[at:at + 30]) for at, line in enumerate(lines)
                if COMPLAINT.search(line) and not any(KILLED in before for before in lines[max(at - 3, 0):at])]

    def _send(self, script):
        """Makes the machine run a script. Returns the token that its answer has."""
        if not self.power:
            raise PowerCut("the machine has no power", "", "")
        token, content = secrets.token_hex(8), script.encode()
        self.link.settimeout(None)
        with contextlib.suppress(ConnectionError):  # Reading says what happened.
            self.link.sendall(f"{token} {len(content)}\n".encode() + content)
        return token.encode()

    def _receive(self, pattern, timeout):
        """Waits for what the pattern says. Forgets it and all before it, such as what is left of a script before."""
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, self.received, re.DOTALL | re.MULTILINE)):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self._lost(Timeout, f"no end after {timeout} s")
            self.link.settimeout(left)
            try:
                chunk = self.link.recv(65536)
            except TimeoutError:
                continue
            except ConnectionError:
                chunk = b""
            if not chunk:
                self.process.wait()
                raise self._lost(Panic, "the machine ended by itself")
            self.received += chunk
        self.received = self.received[found.end():]
        return found

    def _lost(self, kind, reason):
        qemu = (self.log_path.parent / "qemu.log").read_text(errors="replace").splitlines()
        # QEMU names each feature of the CPU model that emulation lacks.
        qemu = [line for line in qemu if "doesn't support requested feature" not in line]
        log = self.log().splitlines()[-30:] + qemu[-5:]
        return kind(reason, self.received.decode(errors="replace"), "\n".join(log))

    def _kill(self):
        self.power = False
        self.process.kill()
        self.process.wait()
        self.link.close()


def arguments(shape, kernel, work, descriptors, root):
    """The command line of QEMU. The first descriptor is the agent's, the others are those of disks."""
    cpus = shape.sockets * shape.cores * shape.threads
    memory = sum(node.megabytes for node in shape.nodes) or shape.megabytes
    # Skylake-Server is a model that shows its threads; the model "max" hides them.
    words = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-nodefaults", "-no-user-config", "-display", "none",
             "-no-reboot", "-cpu", "Skylake-Server", "-m", f"{memory}M",
             "-smp", f"{cpus},sockets={shape.sockets},cores={shape.cores},threads={shape.threads}"]
    for number, node in enumerate(shape.nodes):
        text = f"node,nodeid={number}" + "".join(f",cpus={part}" for part in node.cpus.split(",") if part)
        if node.megabytes:
            words += ["-object", f"memory-backend-ram,id=memory{number},size={node.megabytes}M"]
            text += f",memdev=memory{number}"
        words += ["-numa", text]
    for source, target, distance in shape.distances:
        words += ["-numa", f"dist,src={source},dst={target},val={distance}"]
    words += ["-chardev", f"socket,id=agent,fd={descriptors[0]}", "-device", "virtio-serial-pci",
              "-device", "virtserialport,nr=1,chardev=agent"]
    if root:
        words += ["-drive", f"file={root},format=raw,if=none,id=root,snapshot=on",
                  "-device", "virtio-blk-pci,drive=root"]
    for number, descriptor in enumerate(descriptors[1:]):
        words += ["-blockdev", f"driver=nbd,node-name=disk{number},server.type=fd,server.str={descriptor}",
                  "-device", f"virtio-blk-pci,drive=disk{number}"]
    for number, device in enumerate(shape.devices):
        kind, _, queues = device.partition(" ")
        name = f"device{number}"
        if kind == "host":
            words += ["-netdev", f"user,id={name},ipv6=off", "-device", f"virtio-net-pci,netdev={name},romfile="]
            continue
        if kind == "nic":
            words += ["-netdev", f"hubport,id={name},hubid=0", "-device", f"virtio-net-pci,netdev={name},romfile="]
            continue
        words += ["-blockdev", f"driver=null-co,node-name={name},size={64 << 20},read-zeroes=on"]
        words += ["-device", f"nvme,drive={name},serial={name},max_ioqpairs={queues or 1}" if kind == "nvme"
                  else f"virtio-blk-pci,drive={name},num-queues={queues or 1}"]
    # A busy host gives the machine so little time that its kernel takes timers for broken, and CPUs for stuck.
    kernel_words = ["no_timer_check", "nowatchdog", "rcupdate.rcu_cpu_stall_suppress=1", "cryptomgr.notests",
                    "console=ttyS0", "panic=-1", "mitigations=off", "random.trust_cpu=on", f"e2e_cgroup={shape.cgroup}"]
    if shape.systemd:
        kernel_words += ["e2e_root=/dev/vda", "systemd.show_status=0"]
        if shape.cgroup == 1:
            kernel_words += ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1"]
    return words + ["-serial", f"file:{work}/kernel.log", "-kernel", str(kernel.image), "-initrd", f"{work}/initramfs",
                    "-append", " ".join(kernel_words + [shape.arguments])]


def write_initramfs(out, kernel, files, systemd):
    """A cpio archive of kind newc (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""
    made = set()

    def entry(name, mode, content=b"", device=(0, 0)):
        made.add(name)
        encoded = name.encode() + b"\0"
        numbers = [len(made), mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0]
        head = b"070701" + b"".join(b"%08x" % number for number in numbers) + encoded
        out.write(head + b"\0" * (-len(head) % 4) + content + b"\0" * (-len(content) % 4))

    def directories(path):
        for parent in reversed(Path(path).parents):
            if str(parent) != "." and str(parent) not in made:
                entry(str(parent), stat.S_IFDIR | 0o755)

    def put(path, content, mode=0o755):
        directories(path)
        entry(path, stat.S_IFREG | mode, content)

    directories("e2e/files/any")
    directories("dev/any")
    entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    put("bin/busybox", kernel.busybox.read_bytes())
    put("init", (GUEST / "init").read_bytes())
    put("e2e/agent", (GUEST / "agent").read_bytes())
    put("e2e/agent.service", (GUEST / "agent.service").read_bytes(), 0o644)
    for number, module in enumerate(kernel.modules()):
        put(f"e2e/modules/{number:02}", module, 0o644)
    for target, source in files.items():
        # Where there is no other file system, the file is in its place from the start.
        path = ("e2e/files/" if systemd else "") + target.lstrip("/")
        put(path, Path(source).read_bytes(), stat.S_IMODE(Path(source).stat().st_mode))
    entry("TRAILER!!!", 0)
