"""A disk that outlives the machine, and loses at a power cut what the machine had not flushed."""

import random
import socket
import struct
import subprocess
import threading
from pathlib import Path

SECTOR = 512

# From the specification of the NBD protocol (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md).
OPTION_MAGIC, REPLY_MAGIC = 0x49484156454F5054, 0x3E889045565A9
REQUEST_MAGIC, ANSWER_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE, HAS_FLAGS, SEND_FLUSH = 1, 1, 4
OPTION_GO, REPLY_ACK, REPLY_INFO, REPLY_UNSUPPORTED = 7, 1, 3, 0x80000001
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3


class Disk:
    """An ext4 file system in a file. QEMU reaches it through a socket, because only so does this side see each write
    and each flush in order.

    `keep` says what a power cut leaves: only what was "flushed", also a "random" part of the other sectors, as the seed
    has it, or "all" that was written.
    """

    def __init__(self, path, megabytes=64, keep="flushed", seed=0):
        self.path, self.keep, self.seed = Path(path), keep, seed
        self.size = megabytes << 20
        # What the sectors written since the last flush held before, by number.
        self.unflushed = {}
        with open(self.path, "wb") as file:
            file.truncate(self.size)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", self.path], check=True)

    def attach(self):
        """Serves the disk on a new socket until the other end closes it. Returns the other end."""
        near, far = socket.socketpair()
        self.server = threading.Thread(target=self._serve, args=[near], daemon=True)
        self.server.start()
        return far

    def settle(self, keep):
        """After the machine's end: makes the file what the disk holds now. Returns how many sectors were lost."""
        self.server.join()
        choice = random.Random(self.seed)
        lost = [] if keep == "all" else sorted(self.unflushed)
        if keep == "random":
            lost = [sector for sector in lost if choice.random() < 0.5]
        with open(self.path, "r+b") as file:
            for sector in lost:
                file.seek(sector * SECTOR)
                file.write(self.unflushed[sector])
        self.unflushed.clear()
        return len(lost)

    def _serve(self, link):
        with link, open(self.path, "r+b", buffering=0) as file:
            try:
                self._greet(link)
                while self._answer(link, file):
                    pass
            except (ConnectionError, EOFError):
                pass  # The machine is gone: that is how a power cut looks from here.

    def _greet(self, link):
        link.sendall(b"NBDMAGIC" + struct.pack(">QH", OPTION_MAGIC, FIXED_NEWSTYLE))
        receive(link, 4)
        while True:
            _, option, length = struct.unpack(">QII", receive(link, 16))
            receive(link, length)
            reply = struct.Struct(">QIII")
            if option == OPTION_GO:
                link.sendall(reply.pack(REPLY_MAGIC, option, REPLY_INFO, 12))
                link.sendall(struct.pack(">HQH", 0, self.size, HAS_FLAGS | SEND_FLUSH))
                link.sendall(reply.pack(REPLY_MAGIC, option, REPLY_ACK, 0))
                return
            link.sendall(reply.pack(REPLY_MAGIC, option, REPLY_UNSUPPORTED, 0))

    def _answer(self, link, file):
        _, _, kind, handle, offset, length = struct.unpack(">IHHQQI", receive(link, 28))
        if kind == DISCONNECT:
            return False
        data = b""
        if kind == READ:
            file.seek(offset)
            data = file.read(length)
        elif kind == WRITE:
            self._write(file, offset, receive(link, length))
        elif kind == FLUSH:
            self.unflushed.clear()
        link.sendall(struct.pack(">IIQ", ANSWER_MAGIC, 0, handle) + data)
        return True

    def _write(self, file, offset, data):
        first, end = offset // SECTOR, -(-(offset + len(data)) // SECTOR)
        file.seek(first * SECTOR)
        before = file.read((end - first) * SECTOR)
        for number in range(first, end):
            start = (number - first) * SECTOR
            self.unflushed.setdefault(number, before[start:start + SECTOR])
        file.seek(offset)
        file.write(data)


def receive(link, length):
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < length:
        part = link.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
