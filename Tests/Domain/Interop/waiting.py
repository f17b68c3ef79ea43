"""Waiting with a deadline, channels, free ports."""
import fcntl
import itertools
import os
import random
import socket
import tempfile
import threading
import time

import grpc

DEADLINE = 40  # seconds; enough for a slow machine
QUIET = 1.6    # seconds of silence, longer than one refresh pass

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


def eventually(probe, promise, deadline=DEADLINE):
    """Returns the first true value of `probe`; fails with `promise` after `deadline`."""
    end = time.monotonic() + deadline
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {promise} (last: {value!r})")
        time.sleep(0.02)


def _ports():
    """Ports below the ephemeral range. Each process has its own share, also beside another run of the tests, and cycles
    through it, so that a restarted server finds its port free."""
    share = 1000
    for number in range(18):
        lock = open(os.path.join(tempfile.gettempdir(), f"berth-interop-ports.{number}"), "w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        ports = list(range(12000 + share * number, 12000 + share * (number + 1)))
        begin = random.randrange(share)
        return itertools.cycle(ports[begin:] + ports[:begin])
    raise AssertionError("eighteen processes have shares of the ports already")


_held = []
_next_port = _ports()


def free_port():
    """A free port."""
    for _ in range(1000):
        port = next(_next_port)
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


def listens(port):
    with socket.socket() as one:
        one.settimeout(2)
        return one.connect_ex(("127.0.0.1", port)) == 0


def channel(port, credentials=None, name=None):
    options = UNLIMITED + [
        ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 400)]
    if credentials is None:
        return grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
    if name:
        options.append(("grpc.ssl_target_name_override", name))
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options)


class Relay:
    """A TCP relay in front of a server that can be cut (both sides are reset) or silenced, for good (dead) with the
    connections of that moment only."""

    def __init__(self, target):
        self.target, self.pairs, self.silent, self.accepted = target, [], False, 0
        self.refusing, self.dead = False, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.refusing:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one, other):
        try:
            while data := one.recv(65536):
                while self.silent or one in self.dead:
                    time.sleep(0.02)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def go_dead(self):
        """The connections of this moment carry nothing any more and are not closed."""
        self.dead.update(end for pair in self.pairs for end in pair)

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for near, far in pairs:
            try:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                near.shutdown(socket.SHUT_RD)
            except OSError:
                pass
            near.close()
            far.close()

    def close(self):
        self.silent, self.dead = False, set()
        self.listener.close()
        self.cut()
