"""What every measurement needs: the compiled C programs, a folder, servers, rounds that alternate."""

import contextlib
import json
import os
import statistics
import subprocess

from .servers import Broken, Server, ask

LIST = {"version": "1.0", "action": "list_allocations"}
LIST_TEXT = json.dumps(LIST, separators=(",", ":"))


def allocation(service, cores):
    """The text of an allocate_cores request; both may hold the load program's %d and %c."""
    return ('{"version":"1.0","action":"allocate_cores","service_name":"%s","num_of_cores":%s}' % (service, cores))


class Bench:
    """Owns the folder and the children of one run."""

    def __init__(self, sources, build, folder, berthd, rounds, seconds, requests, domain=None):
        self.domain, self.domain_load = domain, f"{domain}-bench"
        self.sources, self.build, self.folder, self.berthd = sources, build, folder, berthd
        self.rounds, self.seconds, self.requests = rounds, seconds, requests
        self.servers = []

    def compile(self):
        """Compiles floor.c and load.c with `$CC`, or gcc."""
        os.makedirs(self.build, exist_ok=True)
        for name in ("floor", "load"):
            command = [os.environ.get("CC", "gcc"), "-std=gnu17", "-O2", "-Wall", "-Wextra", "-pthread",
                       "-o", f"{self.build}/{name}", f"{self.sources}/{name}.c"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise Broken(f"cannot compile {name}.c: {error}")
            if done.returncode != 0:
                raise Broken(f"cannot compile {name}.c:\n{done.stderr}")

    def floor(self, durable=False):
        name = "floor-durable" if durable else "floor"
        path = f"{self.folder}/{name}.sock"
        command = [f"{self.build}/floor", "--socket", path]
        if durable:
            command += ["--fdatasync", f"{self.folder}/{name}.data"]
        return self._started(Server(name, command, path, f"{self.folder}/{name}.log"))

    def daemon(self, name, options):
        """berthd with a SNAP_DATA of its own, not yet started."""
        snap_data = f"{self.folder}/{name}"
        os.makedirs(snap_data, exist_ok=True)
        places = ["--socket", f"{snap_data}/data/epa.sock", "--state-dir", f"{snap_data}/berth"]
        server = Server(name, [self.berthd, *options, *places], f"{snap_data}/data/epa.sock",
                        f"{self.folder}/{name}.log", {"SNAP_DATA": snap_data})
        self.servers.append(server)
        return server

    def daemon_on_own_disk(self, name, options):
        """berthd, serving, with its state on a file system that `frozen` stops: a loop device in a mount namespace that
        only the daemon is in. Needs root and util-linux."""
        image, mount = f"{self.folder}/{name}.img", f"{self.folder}/{name}"
        os.makedirs(mount, exist_ok=True)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        done = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Broken(f"mkfs.ext4: {done.stderr.strip()}")
        path = f"{self.folder}/{name}.sock"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                   'mount -o loop "$1" "$2" && shift 2 && exec "$@"', "sh", image, mount,
                   self.berthd, *options, "--socket", path, "--state-dir", f"{mount}/state"]
        server = self._started(Server(name, command, path, f"{self.folder}/{name}.log"))
        server.mount = mount
        return server

    @contextlib.contextmanager
    def frozen(self, server):
        """Every write and sync on the server's own disk hangs meanwhile."""
        inside = ["nsenter", "--target", str(server.process.pid), "--mount", "fsfreeze"]
        subprocess.run([*inside, "--freeze", server.mount], check=True, timeout=20)
        try:
            yield
        finally:
            subprocess.run([*inside, "--unfreeze", server.mount], check=True, timeout=20)

    def _started(self, server):
        self.servers.append(server)
        server.start(LIST)
        return server

    def started_daemon(self, name, options, services=0):
        """berthd, serving, with `services` services that hold a CPU each."""
        server = self.daemon(name, options)
        server.start(LIST, accept=lambda reply: reply.get("total_allocations") == 0)
        if services:
            # From 1000 on, so that all names are of one length.
            self.load(server, allocation("service-%d", 1), requests=services, more=["--base", "1000"])
            self.expect_services(server, services)
        return server

    def expect_services(self, server, count):
        reply = ask(server.path, LIST)
        if reply.get("total_allocations") != count or len(reply.get("allocations", [])) != count:
            raise Broken(f"{server.name}: lists {reply.get('total_allocations')} services, not {count}: "
                         f"{str(reply)[:200]}")
        return reply

    def http(self, server, target, clients):
        """One run of GET requests over kept connections to the HTTP API beside the server's socket."""
        socket = os.path.join(os.path.dirname(server.path), "berth.sock")
        return self.load(server, target, clients, way=["--socket", socket, "--http", target])

    def load(self, server, request, clients=1, requests=None, stalled=0, more=(), way=None):
        """One run of the load program: `requests` requests, or as many as fit a round. Adds what the server used.
        Any error or refusal among the replies is an error here: only work that was done is worth measuring."""
        limit = ["--requests", str(requests), "--seconds", "300"] if requests else ["--seconds", str(self.seconds)]
        way = way or ["--socket", server.path, "--request", request, "--stalled", str(stalled)]
        command = [f"{self.build}/load", *way, "--clients", str(clients), *limit, *more]
        cpu, written = server.cpu_seconds(), server.written_bytes()
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        if done.returncode != 0:
            raise Broken(f"load on {server.name}: {done.stderr.strip()}{server.last_words()}")
        if server.process.poll() is not None:
            raise Broken(f"{server.name}: ended under load with status {server.process.returncode}{server.last_words()}")
        result = json.loads(done.stdout)
        result["cpu_s"] = server.cpu_seconds() - cpu
        result["written"] = None if written is None else server.written_bytes() - written
        if result["errors"] or result["refusals"]:
            raise Broken(f"load on {server.name}: {result['errors']} errors and {result['refusals']} refusals in "
                         f"{result['requests']} requests, the first: {result['complaint']}{server.last_words()}")
        if requests and result["requests"] != requests:
            raise Broken(f"load on {server.name}: only {result['requests']} of {requests} requests in 300 s")
        if result["requests"] == 0:
            raise Broken(f"load on {server.name}: no request was answered")
        if stalled and result["stalled_held"] < 0.95 * stalled:
            raise Broken(f"{server.name} kept {result['stalled_held']} of {stalled} stalled connections")
        return result

    def alternate(self, **runs):
        """Runs each of `runs` (name: function that returns a result) once a round, each round starting with another
        one, so that what disturbs the machine for a while disturbs all alike. A first round warms up."""
        names = list(runs)
        results = {name: [] for name in names}
        for turn in range(self.rounds + 1):
            for i in range(len(names)):
                name = names[(turn + i) % len(names)]
                result = runs[name]()
                if turn > 0:
                    results[name].append(result)
        return results

    def end(self):
        for server in self.servers:
            server.discard()


def ratios(above, below, field):
    """The ratio of `field` in each round."""
    return [a[field] / b[field] for a, b in zip(above, below)]


def typical(results, field):
    return statistics.median(r[field] for r in results)


def per_request(results, field):
    """`field`, summed over all rounds, for one request; None where it was not to be had."""
    if any(r[field] is None for r in results):
        return None
    return sum(r[field] for r in results) / sum(r["requests"] for r in results)
