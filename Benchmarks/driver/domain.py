"""The benchmarks of the edge domain: berth-domain compared with a bare gRPC relay of the same run, and by itself."""

import json
import os
import shutil
import socket
import subprocess
import time

from .bench import typical
from .report import Line
from .servers import Broken, Server, _end_with_parent

CLIENTS = 8


class Process(Server):
    """A child process that listens on ports; its clients wait until it does."""

    def __init__(self, name, command, log, environment=None):
        super().__init__(name, command, None, log, environment)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
                cwd=os.path.dirname(self.log), start_new_session=True, preexec_fn=_end_with_parent)
        return self


class Site:
    """A berth-domain with its own directory and ports, and the other processes of a section."""

    def __init__(self, bench, name, lines=""):
        self.bench, self.name, self.directory = bench, name, f"{bench.folder}/{name}"
        os.makedirs(self.directory, exist_ok=True)
        self.state = f"{self.directory}/state"
        self.orchestrator, self.register, controller, self.relay, self.second = _free_ports(5)
        with open(f"{self.directory}/orchestrator.toml", "w", encoding="utf-8") as file:
            file.write(f'[general]\ndomain_id = "bench"\ndomain_register_url = "http://127.0.0.1:{controller}"\n'
                       f'orchestrator_url = "http://127.0.0.1:{self.orchestrator}"\n'
                       f'orchestrator_url_announced = "http://127.0.0.1:{self.orchestrator}"\n'
                       f'node_register_url = "http://127.0.0.1:{self.register}"\n{lines}')
        # There is no controller; logging that is not part of the measurement.
        self.domain = self._process("domain", [bench.domain, "-c", f"{self.directory}/orchestrator.toml",
                                               "--state-dir", self.state], {"RUST_LOG": "error"})

    def _process(self, name, command, environment=None):
        process = Process(f"{self.name}-{name}", command, f"{self.directory}/{name}.log", environment)
        self.bench.servers.append(process)
        return process

    def start_relay(self):
        return self._process("relay", [self.bench.domain_load, "relay", "--port", str(self.relay),
                                       "--to", str(self.second)]).start()

    def start_redis(self, path):
        return self._process("redis", ["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                                       "--appendonly", "no", "--dir", self.directory]).start()

    def load(self, command, timeout=300, **options):
        """Runs a command of berth-domain-bench and returns its lines of JSON by name."""
        words = [self.bench.domain_load, command]
        for key, value in options.items():
            words += [f"--{key.replace('_', '-')}"] + ([] if value is True else [str(value)])
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise Broken(f"{command} on berth-domain took more than {timeout} s{self.domain.last_words()}")
        if done.returncode != 0:
            raise Broken(f"{command} on berth-domain: {done.stderr.strip()[-500:]}{self.domain.last_words()}")
        results = {}
        for text in filter(str.strip, done.stdout.splitlines()):
            try:
                row = json.loads(text)
                results.setdefault(row.pop("name"), []).append(row)
            except (ValueError, KeyError):
                raise Broken(f"berth-domain-bench {command} printed an invalid line: {text[:200]}")
        return results


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _wait_for(path):
    for _ in range(500):
        if os.path.exists(path):
            return
        time.sleep(0.01)


def _values(results, field, factor=1):
    return [r[field] * factor for r in results]


def _needs_domain(*promises):
    """Decorates a section: without the programs its lines are not measured."""
    def wrap(section):
        def measured(bench):
            if bench.domain:
                return section(bench)
            return [Line("domain", name, limit, unit, [], least=least, note="berth-domain is not built")
                    for name, limit, unit, least in promises]
        return measured
    return wrap


STARTS = (f"function starts, durable, {CLIENTS} clients: per second", 0.7, "× bare relay", True)
HOLED = ("function starts beside a node that does not answer: per second", 0.9, "× without it", True)


@_needs_domain(STARTS, HOLED)
def starts(bench):
    """Starts on ten nodes that answer immediately, in turns with as many clients of the relay, and with Starts while another
    node has sixteen calls and answers none."""
    site = Site(bench, "domain-starts")
    relay = site.start_relay()
    domain = site.domain.start()
    seen = site.load("starts", relay=site.relay, second=site.second, orchestrator=site.orchestrator,
                     register=site.register, domain_pid=domain.process.pid, relay_pid=relay.process.pid,
                     clients=CLIENTS, rounds=bench.rounds, time=max(1, 4 * bench.seconds))
    domain.stop()
    relay.stop()
    for name in ("relay", "starts", "holed"):
        if len(seen.get(name, [])) != bench.rounds:
            raise Broken(f"berth-domain-bench measured {name} {len(seen.get(name, []))} times")
    written = typical(seen["starts"], "written")
    if 0 < written < 200:
        raise Broken(f"berth-domain sent {written:.0f} bytes to disk for each start: it cannot have synced them")
    def against(above, below):
        return [a["per_second"] / b["per_second"] for a, b in zip(seen[above], seen[below])]
    return [
        Line("domain", *STARTS[:3], against("starts", "relay"), {
            "relay /s": typical(seen["relay"], "per_second"), "starts /s": typical(seen["starts"], "per_second"),
            "p50 µs": typical(seen["starts"], "p50_us"), "p99 µs": typical(seen["starts"], "p99_us"),
            "CPU µs a start": typical(seen["starts"], "cpu_us"), "CPU µs a relayed call": typical(seen["relay"], "cpu_us"),
            "bytes to disk a start": written}, least=True),
        Line("domain", *HOLED[:3], against("holed", "starts"), {
            "starts /s": typical(seen["holed"], "per_second"), "p99 µs": typical(seen["holed"], "p99_us")}, least=True),
    ]


JOINS = ("function starts elsewhere while 1,000 nodes join at once: per second", 0.8, "× before", True)


@_needs_domain(JOINS)
def joins(bench):
    """Starts on ten nodes that answer immediately, before 1,000 others register at once, and from their first registration
    on."""
    before, during, joined = [], [], []
    for turn in range(max(2, bench.rounds // 3)):
        site = Site(bench, f"domain-joins-{turn}")
        domain = site.domain.start()
        seen = site.load("joins", orchestrator=site.orchestrator, register=site.register, domain_pid=domain.process.pid,
                         clients=CLIENTS, time=max(2, 4 * bench.seconds))
        domain.process.kill()
        domain.process.wait()
        domain.process = None
        before += seen["before"]
        during += seen["during"]
        joined += seen["joined"]
    return [Line("domain", *JOINS[:3], [d["per_second"] / b["per_second"] for b, d in zip(before, during)], {
        "before /s": typical(before, "per_second"), "during /s": typical(during, "per_second"),
        "p50 µs before": typical(before, "p50_us"), "p50 µs": typical(during, "p50_us"),
        "p99 µs before": typical(before, "p99_us"), "p99 µs": typical(during, "p99_us"),
        "peer updates meanwhile": typical(joined, "peer_updates")}, least=True)]


LOSS = ("loss of a node with 1,000 functions among 100 nodes: until all run and are patched", 1.5,
        "× as many relayed calls", False)


@_needs_domain(LOSS)
def loss(bench):
    """Each of 1,000 functions on one node leads to the next; the node falls silent. Measured from the end of its lease until
    all functions run on other nodes with their new wiring."""
    site = Site(bench, "domain-loss")
    relay = site.start_relay()
    domain = site.domain.start()
    seen = site.load("loss", relay=site.relay, second=site.second, orchestrator=site.orchestrator,
                     register=site.register, clients=CLIENTS, rounds=max(2, bench.rounds // 2))
    domain.stop()
    relay.stop()
    runs = seen["loss"]
    return [Line("domain", *LOSS[:3], _values(runs, "ratio"), {
        "after s": typical(runs, "loss_s"), "relayed s": typical(runs, "relay_s"), "calls": typical(runs, "calls")})]


DRAIN = ("emptying a node of 1,000 functions among 100 nodes", 1.5, "× as many relayed calls", False)


@_needs_domain(DRAIN)
def drain(bench):
    """The command `proxy intent drain`, from its start to its end, against as many relayed calls as it causes."""
    if not shutil.which("redis-server"):
        return [Line("domain", *DRAIN[:3], [], note="there is no redis-server")]
    path = f"{bench.folder}/drain.sock"
    site = Site(bench, "domain-drain", f'[proxy]\nproxy_type = "Redis"\nredis_url = "unix://{path}"\n')
    redis = site.start_redis(path)
    _wait_for(path)
    relay = site.start_relay()
    domain = site.domain.start()
    seen = site.load("drain", relay=site.relay, second=site.second, orchestrator=site.orchestrator,
                     register=site.register, redis=path, program=bench.domain, clients=CLIENTS,
                     rounds=max(2, bench.rounds // 2))["drain"]
    for process in (domain, relay, redis):
        process.stop()
    return [Line("domain", *DRAIN[:3], _values(seen, "ratio"), {
        "after s": typical(seen, "drain_s"), "relayed s": typical(seen, "relay_s"), "calls": typical(seen, "calls")})]


CORE = ("1,000 nodes refresh every 2 s, 20 samples each", 15, "% of one core", False)
MEMORY = ("1,000 nodes refresh every 2 s, 20 samples each: RSS", 250, "MB", False)


@_needs_domain(CORE, MEMORY)
def refresh(bench):
    """The state directory contains nodes that know each other, as after a restart; each agent is called once to open its
    connection."""
    site = Site(bench, "domain-refresh")
    site.load("prepare", directory=site.state, nodes=1000, functions=1000, agent_port=site.second, with_orphans=True)
    domain = site.domain.start()
    seen = site.load("refreshes", second=site.second, register=site.register, domain_pid=domain.process.pid,
                     nodes=1000, time=max(4, 10 * bench.seconds), rounds=max(2, bench.rounds // 3))["refreshes"]
    domain.stop()
    return [
        Line("domain", *CORE[:3], _values(seen, "core", 100), {
            "refreshes /s": typical(seen, "per_second"), "CPU µs a refresh": typical(seen, "cpu_us")}),
        Line("domain", *MEMORY[:3], _values(seen, "rss_mb"), {"highest MB": max(_values(seen, "peak_mb"))}),
    ]


PLACEMENT = ("one placement among 10,000 nodes with 100,000 functions", 100, "µs", False)
PASS = ("a pass there with nothing to do, the controller's update included", 5, "ms", False)


@_needs_domain(PLACEMENT, PASS)
def size(bench):
    """The state machine by itself: berth-domain-bench pure."""
    seen = Site(bench, "domain-size").load("pure")
    places = {name: rows[0] for name, rows in seen.items() if name.startswith("placement-")}
    worst = max((row["us"] for name, row in places.items() if not name.endswith("-first")))
    passes = [rows[0] for name, rows in seen.items() if name.startswith("pass-")]
    return [
        Line("domain", *PLACEMENT[:3], [worst], {
            "p99 µs": max(row["p99_us"] for name, row in places.items() if not name.endswith("-first")),
            "first after a node has changed µs": max(
                row["us"] for name, row in places.items() if name.endswith("-first"))}),
        Line("domain", *PASS[:3], [max(row["ms"] for row in passes)], {
            "most ms": max(row["most_ms"] for row in passes),
            "without the update ms": max(row["without_update_ms"] for row in passes)}),
    ]


RESTART = ("restart with 100,000 functions on 1,000 nodes: until the first answer", 5, "s", False)


@_needs_domain(RESTART)
def restart(bench):
    """From the start of the process to its first answer to the controller, after an orderly stop and after a kill."""
    site = Site(bench, "domain-restart")
    site.load("prepare", directory=site.state, nodes=1000, functions=100_000)
    took, memory = [], 0
    for turn in range(max(3, bench.rounds // 2)):
        begin = time.monotonic()
        domain = site.domain.start()
        took.append(site.load("ask", orchestrator=site.orchestrator)["answered"][0]["at"] - begin)
        memory = max(memory, domain.memory()["VmRSS"])
        if turn % 2:
            domain.process.kill()
            domain.process.wait()
            domain.process = None
        else:
            domain.stop(patience=30.0)
    return [Line("domain", *RESTART[:3], took, {"RSS MB": memory / 1e6})]


MIRROR = ("the mirror in Redis at 1,000 changes per second: lag, p99", 100, "ms", False)


@_needs_domain(MIRROR)
def mirror(bench):
    """From the answer to a Patch until Redis has the wiring, according to keyspace notifications."""
    if not shutil.which("redis-server"):
        return [Line("domain", *MIRROR[:3], [], note="there is no redis-server")]
    path = f"{bench.folder}/redis.sock"
    site = Site(bench, "domain-mirror", f'[proxy]\nproxy_type = "Redis"\nredis_url = "unix://{path}"\n')
    redis = site.start_redis(path)
    _wait_for(path)
    domain = site.domain.start()
    seen = site.load("mirror", orchestrator=site.orchestrator, register=site.register, redis=path,
                     rounds=max(2, bench.rounds // 2))["mirror"]
    domain.stop()
    redis.stop()
    rate = typical(seen, "per_second")
    return [Line("domain", *MIRROR[:3], _values(seen, "p99_ms"), {
        "p50 ms": typical(seen, "p50_ms"), "most ms": max(_values(seen, "most_ms")), "changes /s": rate},
        note="" if rate > 950 else "The machine did not reach 1,000 changes per second.")]


SECTIONS = {"domain-starts": starts, "domain-joins": joins, "domain-loss": loss, "domain-drain": drain,
            "domain-refresh": refresh, "domain-size": size, "domain-restart": restart, "domain-mirror": mirror}
