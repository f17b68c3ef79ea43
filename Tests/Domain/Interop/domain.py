"""The program under test as a process, with a controller, ports, directories and settings."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import edgeless_pb2_grpc as rpc
from controller import Client, Controller
from node import Node
from waiting import DEADLINE, channel, eventually, free_port, listens

PROGRAM = os.environ["BERTH_DOMAIN"]


def run(*arguments, directory, timeout=60):
    """Runs the program to its end."""
    return subprocess.run([PROGRAM, *arguments], cwd=directory, capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, errors="replace")


class Domain:
    def __init__(self, *, redis=None, controller=None, settings=None, start=True, domain_id="domain-7000",
                 interval=1, scheme="http", credentials=None, name=None, files=None):
        self._closing = []
        self.directory = tempfile.mkdtemp(prefix="berth-interop.")
        self.state = os.path.join(self.directory, "state")
        self.controller = controller or Controller()
        self.closing(self.controller.close)
        self.id, self.process, self.nodes = domain_id, None, []
        self.orchestrator, self.register, self.status_port = free_port(), free_port(), free_port()
        self.settings = {
            "general": {
                "domain_register_url": f"{scheme}://127.0.0.1:{self.controller.port}",
                "subscription_refresh_interval_sec": interval, "domain_id": domain_id,
                "orchestrator_url": f"{scheme}://127.0.0.1:{self.orchestrator}",
                "orchestrator_url_announced": f"{scheme}://127.0.0.1:{self.orchestrator}",
                "node_register_url": f"{scheme}://127.0.0.1:{self.register}",
                "status_url": f"http://127.0.0.1:{self.status_port}"},
            "baseline": {"orchestration_strategy": "Random"},
            "proxy": {"proxy_type": "Redis" if redis else "None", "proxy_gc_period_seconds": 360},
        }
        if redis:
            self.settings["proxy"]["redis_url"] = redis
        for key, value in (settings or {}).items():
            section, _, name_of = key.rpartition(".")
            self.settings.setdefault(section, {})[name_of] = value
        for path, text in (files or {}).items():
            with open(os.path.join(self.directory, path), "w", encoding="utf-8") as file:
                file.write(text)
        self.client = Client(self.orchestrator, credentials, name)
        self.closing(self.client.close)
        registry = channel(self.register, credentials, name)
        self.closing(registry.close)
        self.registration = rpc.NodeRegistrationStub(registry)
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def closing(self, action):
        self._closing.append(action)

    def configure(self):
        path = os.path.join(self.directory, "orchestrator.toml")
        with open(path, "w", encoding="utf-8") as file:
            for section, values in self.settings.items():
                file.write(f"[{section}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in values.items()))
        return path

    def launch(self, limit=None):
        """Starts the process without waiting for it. `limit`: a command that starts it, with its options."""
        self.configure()
        log = open(os.path.join(self.directory, "log"), "ab")
        # Not with preexec_fn, whose code may abort in a child of a process with gRPC's threads.
        self.process = subprocess.Popen([*(limit or []), PROGRAM, "--state-dir", self.state],
                                        cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=dict(os.environ, SWIFT_BACKTRACE="enable=no"))
        log.close()

    def start(self, limit=None):
        self.launch(limit)
        eventually(lambda: self.process.poll() is not None or (listens(self.orchestrator) and listens(self.register)),
                   "the domain listens")
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log()}"
        return self

    def log(self):
        try:
            with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def end(self, with_signal=signal.SIGTERM):
        """Ends the process and returns its status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(timeout=DEADLINE)

    def kill(self):
        return self.end(signal.SIGKILL)

    def alive(self):
        return self.process.poll() is None

    def status(self):
        """`/status.json`, which may be a second old. A domain that waits for a slow disk refuses it for a while."""
        def answer():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/status.json", timeout=10) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
                return None
        return eventually(answer, "the domain says its status")

    def metric(self, name):
        """A figure of `/metrics` without labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.status_port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.split(" ")[0] == name:
                    return float(line.split(" ")[1])
        raise AssertionError(f"there is no metric {name}")

    def ready(self, node):
        def probe():
            return any(one["id"] == node.id and one["ready"] for one in self.status()["nodes"])
        eventually(probe, "the node is ready")

    def wait_until_idle(self):
        """Waits until no work remains."""
        time.sleep(1.1)  # the status may be a second old
        return eventually(lambda: not any(self.status()["remaining"].values()), "no work remains")

    def wait_until_idle_except_unknown_outcomes(self):
        """Waits until no work remains except unknown outcomes; returns how many nodes have some."""
        time.sleep(1.1)
        eventually(lambda: not any(count for name, count in self.status()["remaining"].items()
                                   if name not in ("unknown_outcomes", "doubts")), "no work remains")
        return self.status()["remaining"]["unknown_outcomes"]

    def node(self, **options):
        return Node(self, **options)

    def join(self, *nodes):
        """Registers nodes and waits until all of them are ready."""
        for node in nodes:
            answer = node.register()
            assert not answer.HasField("response_error"), answer
        ids = {node.id for node in nodes}
        eventually(lambda: ids <= {one["id"] for one in self.status()["nodes"] if one["ready"]}, "the nodes are ready")
        # The mesh is complete when every node knows every node, itself included.
        for node in nodes:
            eventually(lambda node=node: ids <= {call.of for call in node.of("Add")}, "a node knows its peers")
        return nodes

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self.process.kill()
            if self.process:
                self.process.wait(timeout=DEADLINE)
        finally:
            for action in reversed(self._closing):
                action()
            shutil.rmtree(self.directory, ignore_errors=True)
