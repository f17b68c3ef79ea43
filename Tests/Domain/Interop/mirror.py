"""A redis-server, a reader of the mirror in it, and an operator who submits intents."""
import os
import shutil
import signal
import subprocess
import tempfile

import redis
from waiting import DEADLINE, eventually, free_port

PROGRAM = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")


class Server:
    def __init__(self, port=None):
        self.directory = tempfile.mkdtemp(prefix="berth-interop-redis.")
        self.socket = os.path.join(self.directory, "s")
        self.port, self.process, self.taken = port or free_port(), None, 0
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket, "--databases", "400",
             "--save", "", "--appendonly", "no", "--dir", self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def answers():
            try:
                return self.client(0).ping()
            except redis.exceptions.ConnectionError:
                return False
        eventually(answers, "redis answers")

    def client(self, database):
        return redis.Redis(unix_socket_path=self.socket, db=database, decode_responses=True, socket_timeout=20)

    def stop(self, with_signal=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        self.process.wait(timeout=DEADLINE)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.go_on()
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def database(self):
        """A database that nobody else uses."""
        self.taken += 1
        return Database(self, self.taken)


class Database:
    def __init__(self, server, number):
        self.server, self.number, self.redis = server, number, server.client(number)
        self.url = f"redis://127.0.0.1:{server.port}/{number}"
        self.path_url = f"unix://{server.socket}?db={number}"

    def value(self, key, test=lambda value: value is not None):
        """The string under `key` once it passes `test`."""
        found = {}

        def probe():
            found["it"] = self.redis.get(key)
            return test(found["it"])
        eventually(probe, f"{key} as wanted, keys {sorted(self.redis.keys())[:30]}")
        return found["it"]

    def gone(self, key):
        eventually(lambda: not self.redis.exists(key), f"{key} goes")

    def intend(self, key, value):
        pipe = self.redis.pipeline()
        pipe.set(key, value)
        pipe.rpush("intents", key)
        pipe.execute()

    def outcome(self, key):
        """The outcome of an intent, once it is finished."""
        import json
        result = "intent:result:" + key.removeprefix("intent:")
        return json.loads(self.value(result, lambda text: text is not None and json.loads(text)["status"] != "taken"))

    def migrate(self, lid, *nodes):
        self.redis.delete(f"intent:result:migrate:{lid}")
        self.intend(f"intent:migrate:{lid}", ",".join(nodes))
        return self.outcome(f"intent:migrate:{lid}")

    def cordon(self, node, value="yes"):
        self.redis.delete(f"intent:result:cordon:{node}")
        self.intend(f"intent:cordon:{node}", value)
        return self.outcome(f"intent:cordon:{node}")


def physical(text):
    """The node's and the component's id, parsed as EDGELESS does: four tokens without their last character."""
    tokens = text.split(" ")
    assert len(tokens) == 4, text
    return tokens[1][:-1], tokens[3][:-1]
