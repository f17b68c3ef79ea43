"""Servers under measurement: started on private sockets, watched through /proc, ended by their own pid."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import time


MOST_REPLY = 16 << 20


class Broken(Exception):
    """Something that makes a measurement worthless; its text says what."""


def ask(path, request, timeout=10.0):
    """One request on one connection, as the real client does it: no half-close, read to the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        s.connect(path)
        s.sendall(json.dumps(request, separators=(",", ":")).encode())
        reply = b""
        while (piece := s.recv(1 << 16)) and len(reply) < MOST_REPLY:
            reply += piece
    return json.loads(reply)


def _end_with_parent():
    """For preexec_fn: the kernel ends the child should the driver be killed outright (PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Server:
    """A child process that answers on a Unix socket. Its output goes to `log`."""

    def __init__(self, name, command, path, log, environment=None):
        self.name, self.command, self.path, self.log = name, command, path, log
        self.environment = {**os.environ, **(environment or {})}
        self.environment.pop("NOTIFY_SOCKET", None)
        self.process = None

    def start(self, request, accept=lambda reply: True, timed=False, patience=20.0):
        """Starts the program and returns the seconds until it gave the first reply that `accept` takes.
        `timed` starts it the cheapest way (without the tie to the driver's life)."""
        with open(self.log, "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                start_new_session=True, preexec_fn=None if timed else _end_with_parent)
        reply = None
        while time.monotonic() < begin + patience:
            try:
                reply = ask(self.path, request, timeout=patience)
                took = time.monotonic() - begin
                if accept(reply):
                    return took
                raise Broken(f"{self.name}: unexpected first reply {str(reply)[:200]}")
            except (OSError, ValueError):
                if self.process.poll() is not None:
                    raise Broken(f"{self.name}: ended with status {self.process.returncode}{self.last_words()}")
                time.sleep(0.0005)
        raise Broken(f"{self.name}: no reply within {patience:.0f} s of its start{self.last_words()}")

    def stop(self, patience=10.0):
        """SIGTERM and wait; SIGKILL and an error when it stays."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is not None:
            raise Broken(f"{self.name}: ended by itself with status {process.returncode}{self.last_words()}")
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Broken(f"{self.name}: still there {patience:.0f} s after SIGTERM")

    def discard(self):
        """Ends it without asking how it went: the way out after an error or Ctrl-C."""
        try:
            self.stop(patience=5.0)
        except Broken:
            pass

    def last_words(self):
        try:
            with open(self.log, "rb") as log:
                log.seek(max(0, os.path.getsize(self.log) - 2000))
                text = log.read().decode(errors="replace").strip()
        except OSError:
            text = ""
        return f"; its output ends with:\n{text}" if text else ""

    def _proc(self, name):
        with open(f"/proc/{self.process.pid}/{name}", encoding="ascii", errors="replace") as file:
            return file.read()

    def memory(self):
        """Resident bytes: {"VmRSS", "VmHWM", "RssAnon", "RssFile"}."""
        fields = dict(line.split(":", 1) for line in self._proc("status").splitlines() if ":" in line)
        return {k: int(fields[k].split()[0]) * 1024 for k in ("VmRSS", "VmHWM", "RssAnon", "RssFile") if k in fields}

    def cpu_seconds(self):
        """Time on a CPU of all its threads, those that ended included: the process's CPU clock, whose id is made as
        clock_getcpuclockid(3) makes it."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def written_bytes(self):
        """Bytes that it made the kernel send to disk, or None where /proc/PID/io may not be read."""
        try:
            fields = dict(line.split(":") for line in self._proc("io").splitlines())
            return int(fields["write_bytes"])
        except (OSError, ValueError, KeyError):
            return None
