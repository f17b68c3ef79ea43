"""What the machines boot: Debian's kernels, its static busybox, and a root file system with systemd. Everything comes
from Debian's package mirror through apt, and is kept in one directory."""

import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SUITES = {"6.1": "bookworm", "6.12": "trixie"}

# What a machine needs before it has a file system to load the rest from, and for the devices of the tests.
MODULES = ["virtio_pci", "virtio_console", "virtio_blk", "virtio_net", "nvme", "ext4", "autofs4"]

# The root file system is Debian 12's with both kernels.
ROOT_SUITE = "bookworm"
ROOT_PACKAGES = ["systemd-sysv", "dbus", "libpam-systemd", "procps"]
# Consoles that nobody looks at and timers cost seconds in an emulated machine.
MASKED_UNITS = ["getty.target", "serial-getty@ttyS0.service", "apt-daily.timer", "apt-daily-upgrade.timer",
                "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
                "systemd-timesyncd.service"]


def mirror():
    """Where apt of this machine gets Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian",
               f"Codename: {ROOT_SUITE}"]
    targets = subprocess.run(command, capture_output=True, text=True).stdout.split()
    return targets[0] if targets else "http://deb.debian.org/debian"


class Kernel:
    """A kernel and a busybox of one suite, downloaded once into `cache`."""

    def __init__(self, cache, version):
        self.version = version
        self.suite = SUITES[version]
        self.directory = Path(cache).resolve() / self.suite
        if not (self.directory / "complete").exists():
            self._download()
        self.image = next((self.directory / "boot").glob("vmlinuz-*"))
        self.busybox = self._installed("bin/busybox")

    def modules(self):
        """The contents of the modules that every machine loads, in an order that satisfies their dependencies."""
        base = self._installed("lib/modules") / self.image.name.removeprefix("vmlinuz-")
        dependencies = {}
        for line in (base / "modules.dep").read_text().splitlines():
            path, _, others = line.partition(":")
            dependencies[Path(path).name.split(".")[0].replace("-", "_")] = [*reversed(others.split()), path]
        # A module that is not listed is built into the kernel.
        ordered = dict.fromkeys(path for name in MODULES for path in dependencies.get(name, []))
        for path in ordered:
            content = (base / path).read_bytes()
            yield lzma.decompress(content) if path.endswith(".xz") else content

    def _installed(self, path):
        """Where a file of a package is: Debian 13 has everything below /usr."""
        usual = self.directory / path
        return usual if usual.exists() else self.directory / "usr" / path

    def _download(self):
        print(f"Downloading the kernel and busybox of Debian {self.suite}", flush=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        apt = self.directory / "apt"
        for place in ["lists/partial", "cache/archives/partial"]:
            (apt / place).mkdir(parents=True)
        # A world of its own for apt: this machine's lists, packages and pins stay out of it, and unchanged.
        keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
        (apt / "sources.list").write_text(f"deb [signed-by={keys}] {mirror()} {self.suite} main\n")
        (apt / "status").touch()
        (apt / "apt.conf").write_text(f"""
            Dir::Etc::SourceList "{apt}/sources.list";
            Dir::Etc::SourceParts "/dev/null";
            Dir::Etc::Preferences "/dev/null";
            Dir::Etc::PreferencesParts "/dev/null";
            Dir::State::Lists "{apt}/lists";
            Dir::State::Status "{apt}/status";
            Dir::Cache "{apt}/cache";
            APT::Sandbox::User "root";
        """)

        def run(*command):
            return subprocess.run(command, cwd=apt, env={**os.environ, "APT_CONFIG": f"{apt}/apt.conf"}, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout

        run("apt-get", "-qq", "update")
        package = re.search(r"Depends: (linux-image-\S+)", run("apt-cache", "depends", "linux-image-cloud-amd64"))[1]
        run("apt-get", "-qq", "download", package, "busybox-static")
        for archive in apt.glob("*.deb"):
            run("dpkg-deb", "-x", archive, self.directory)
        shutil.rmtree(apt)
        for modules in self._installed("lib/modules").iterdir():
            subprocess.run(["/sbin/depmod", "-b", modules.parent.parent.parent, modules.name], check=True)
        (self.directory / "complete").touch()


def root_file_system(cache):
    """An image of a Debian that boots with systemd, built once into `cache`. Building it needs root."""
    cache = Path(cache).resolve()
    recipe = hashlib.sha256(repr([ROOT_SUITE, ROOT_PACKAGES, MASKED_UNITS]).encode()).hexdigest()[:12]
    image = cache / f"root-{recipe}.img"
    if image.exists():
        return image
    print(f"Building a root file system of Debian {ROOT_SUITE}", flush=True)
    for old in cache.glob("root-*.img"):
        old.unlink()
    with tempfile.TemporaryDirectory(prefix="root-", dir=cache) as work:
        root = Path(work) / "root"
        # mmdebstrap mounts /proc and /sys below the new root: in a namespace of its own, nobody else sees them.
        subprocess.run(["unshare", "--mount", "--propagation", "private", "mmdebstrap", "--quiet", "--mode=root",
                        "--variant=minbase", f"--include={','.join(ROOT_PACKAGES)}",
                        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
                        ROOT_SUITE, root, mirror()],
                       check=True, stdin=subprocess.DEVNULL)
        (root / "etc/hostname").write_text("machine\n")
        (root / "etc/hosts").write_text("127.0.0.1 localhost machine\n")
        (root / "etc/fstab").write_text("")
        for unit in MASKED_UNITS:
            place = root / "etc/systemd/system" / unit
            place.unlink(missing_ok=True)
            place.symlink_to("/dev/null")
        unfinished = Path(work) / "image"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, unfinished, "600M"], check=True)
        unfinished.rename(image)
    return image
