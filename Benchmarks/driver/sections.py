"""The lines of the promise on speed and size, each measured here. A section is a function from a Bench to Lines."""

import json
import os
import shutil
import subprocess
import threading

from . import machine
from .bench import LIST, LIST_TEXT, allocation, per_request, ratios, typical
from .report import Line
from .servers import Broken, ask

CLIENTS = 8
STALLED = 200
SIMULATED = ["--simulate"]
MEMORY_TEXT = '{"version":"1.0","action":"get_memory_info"}'
# How long the disk hangs in one round, and how long lists are asked for meanwhile, in seconds.
HANG, DURING = 5, 4


def listing(bench):
    """list_allocations with three services in the ledger, as the reference's figures have it."""
    floor, berthd = bench.floor(), bench.started_daemon("listing", SIMULATED, services=3)
    seen = bench.alternate(
        floor=lambda: bench.load(floor, LIST_TEXT),
        one=lambda: bench.load(berthd, LIST_TEXT),
        many=lambda: bench.load(berthd, LIST_TEXT, clients=CLIENTS),
        floor_many=lambda: bench.load(floor, LIST_TEXT, clients=CLIENTS),
        stalled=lambda: bench.load(berthd, LIST_TEXT, stalled=STALLED),
        memory=lambda: bench.load(berthd, MEMORY_TEXT))
    bench.expect_services(berthd, 3)
    floor.stop()
    berthd.stop()
    return [
        Line("listing", "list, 1 client: p50", 4, "× floor", ratios(seen["one"], seen["floor"], "p50_us"), {
            "floor µs": typical(seen["floor"], "p50_us"), "berthd µs": typical(seen["one"], "p50_us"),
            "p99 µs": typical(seen["one"], "p99_us"), "reply bytes": typical(seen["one"], "reply_bytes"),
            "CPU µs a request": per_request(seen["one"], "cpu_s") * 1e6}),
        Line("listing", f"list, {CLIENTS} clients: requests per second", 1.4, "× one client",
             ratios(seen["many"], seen["one"], "per_second"), {
                 "one /s": typical(seen["one"], "per_second"), f"{CLIENTS} /s": typical(seen["many"], "per_second"),
                 "p99 µs": typical(seen["many"], "p99_us"),
                 "CPU µs a request": per_request(seen["many"], "cpu_s") * 1e6,
                 "floor /s": typical(seen["floor_many"], "per_second"),
                 "floor's own ratio": typical(seen["floor_many"], "per_second") / typical(seen["floor"], "per_second")},
             least=True),
        Line("listing", "get_memory_info: p50", 2, "× list", ratios(seen["memory"], seen["one"], "p50_us"), {
            "memory µs": typical(seen["memory"], "p50_us"), "list µs": typical(seen["one"], "p50_us"),
            "reply bytes": typical(seen["memory"], "reply_bytes")}),
        Line("listing", f"list beside {STALLED} stalled connections: p50", 1.3, "× none",
             ratios(seen["stalled"], seen["one"], "p50_us"), {
                 "with µs": typical(seen["stalled"], "p50_us"), "without µs": typical(seen["one"], "p50_us"),
                 "p99 with µs": typical(seen["stalled"], "p99_us"),
                 "reopened": sum(r["stalled_reopened"] for r in seen["stalled"])}),
    ]


def changes(bench):
    """allocate_cores, durable. Each client has its own service, which it makes now one core and now two."""
    request, two = allocation("load-%c", "%d"), ["--base", "1", "--modulo", "2"]
    floor, berthd = bench.floor(durable=True), bench.started_daemon("changes", SIMULATED)
    seen = bench.alternate(
        floor=lambda: bench.load(floor, request, more=two),
        one=lambda: bench.load(berthd, request, more=two),
        many=lambda: bench.load(berthd, request, clients=CLIENTS, more=two),
        floor_many=lambda: bench.load(floor, request, clients=CLIENTS, more=two))
    held = {a["service_name"]: a["cores_count"] for a in bench.expect_services(berthd, CLIENTS)["allocations"]}
    if any(held.get(f"load-{c}") not in (1, 2) for c in range(CLIENTS)):
        raise Broken(f"after the changes berthd lists {held}")
    _expect_durable(seen)
    floor.stop()
    berthd.stop()
    return [
        Line("changes", "allocate, durable, 1 client: p50", 2.5, "× floor with fdatasync",
             ratios(seen["one"], seen["floor"], "p50_us"), {
                 "floor µs": typical(seen["floor"], "p50_us"), "berthd µs": typical(seen["one"], "p50_us"),
                 "p99 µs": typical(seen["one"], "p99_us"), "CPU µs a change": per_request(seen["one"], "cpu_s") * 1e6,
                 "bytes to disk a change": per_request(seen["one"], "written")}),
        Line("changes", f"allocate, durable, {CLIENTS} clients: changes per second", 3, "× one client",
             ratios(seen["many"], seen["one"], "per_second"), {
                 "one /s": typical(seen["one"], "per_second"), f"{CLIENTS} /s": typical(seen["many"], "per_second"),
                 "p99 µs": typical(seen["many"], "p99_us"), "CPU µs a change": per_request(seen["many"], "cpu_s") * 1e6,
                 "bytes to disk a change": per_request(seen["many"], "written"),
                 "floor /s": typical(seen["floor_many"], "per_second")},
             least=True),
    ]


def hanging(bench):
    """Lists while a change waits for a disk that hangs, against lists while nothing hangs."""
    name = f"list while the disk hangs for {HANG} s: p99"
    missing = [tool for tool in ("unshare", "nsenter", "fsfreeze", "mkfs.ext4") if not shutil.which(tool)]
    if os.geteuid() != 0 or missing:
        return [Line("hanging", name, 1.5, "× without", [], note="needs root and " + ", ".join(missing or ["nothing"]))]
    berthd = bench.daemon_on_own_disk("hanging", SIMULATED)
    during = ["--seconds", str(DURING)]
    with_, without, waited = [], [], []
    for turn in range(3):
        without.append(bench.load(berthd, LIST_TEXT, more=during))
        reply = {}

        def change():
            reply.update(ask(berthd.path, json.loads(allocation(f"turn-{turn}", 1)), timeout=60))

        with bench.frozen(berthd):
            thread = threading.Thread(target=change)
            thread.start()
            with_.append(bench.load(berthd, LIST_TEXT, more=during))
            thread.join(HANG - DURING)
            waited.append(thread.is_alive())
        thread.join(60)
        if reply.get("cores_allocated") != 1:
            raise Broken(f"the change that waited for the disk was answered {reply}")
    if not all(waited):
        raise Broken("a change was answered while the disk hung: it cannot have been synced")
    bench.expect_services(berthd, 3)
    berthd.stop()
    return [Line("hanging", name, 1.5, "× without", ratios(with_, without, "p99_us"), {
        "with µs": typical(with_, "p99_us"), "without µs": typical(without, "p99_us"),
        "lists while it hung": sum(r["requests"] for r in with_)})]


def _expect_durable(seen):
    """With one client a synced change dirties a page, or writes a sector past the cache, anew each time. Where the
    kernel counts the floor's pages and berthd's are fewer, its changes are not durable and their speed is worthless."""
    floor, berthd = per_request(seen["floor"], "written"), per_request(seen["one"], "written")
    if floor and berthd is not None and floor >= 4000 and berthd < 500:
        raise Broken(f"berthd sent {berthd:.0f} bytes to disk for each change: it cannot have synced each")


def bytes_(bench):
    """list_allocations with 1,000 services against 10, on one machine large enough for both."""
    path = machine.write(f"{bench.folder}/machine-4096.json", 4096)
    few = bench.started_daemon("list-10", ["--machine", path], services=10)
    lots = bench.started_daemon("list-1000", ["--machine", path], services=1000)
    seen = bench.alternate(few=lambda: bench.load(few, LIST_TEXT), lots=lambda: bench.load(lots, LIST_TEXT))
    few.stop()
    lots.stop()
    for results in seen.values():
        for r in results:
            r["us_per_byte"] = r["p50_us"] / r["reply_bytes"]
    return [Line("bytes", "list of 1,000 services: p50 per reply byte", 1.3, "× of 10 services",
                 ratios(seen["lots"], seen["few"], "us_per_byte"), {
                     **{f"of {name}": f"{typical(r, 'p50_us'):.0f} µs for {typical(r, 'reply_bytes'):,.0f} bytes"
                        for name, r in (("10", seen["few"]), ("1,000", seen["lots"]))},
                     "ns a byte": f"{1000 * typical(seen['few'], 'us_per_byte'):.1f} and "
                                  f"{1000 * typical(seen['lots'], 'us_per_byte'):.1f}"})]


def api(bench):
    """Lists of 100 claims of the HTTP API, over connections that are kept."""
    path = machine.write(f"{bench.folder}/machine-512.json", 512)
    berthd = bench.started_daemon("api", ["--machine", path], services=100)
    target = "/v1/claims?limit=100"
    seen = bench.alternate(
        one=lambda: bench.http(berthd, target, 1), many=lambda: bench.http(berthd, target, CLIENTS))
    resident = berthd.memory()["VmRSS"] / 1e6
    berthd.stop()
    return [
        Line("api", f"HTTP list of 100 claims, {CLIENTS} kept connections: requests per second", 5000, "/s",
             [r["per_second"] for r in seen["many"]], {
                 "one connection /s": typical(seen["one"], "per_second"), "p50 µs": typical(seen["one"], "p50_us"),
                 "p99 µs": typical(seen["many"], "p99_us"), "reply bytes": typical(seen["many"], "reply_bytes"),
                 "CPU µs a request": per_request(seen["many"], "cpu_s") * 1e6}, least=True),
        Line("api", "resident memory with the HTTP API in use", 45, "MB", [resident]),
    ]


def start(bench):
    """From the start of the process to its first whole list of 1,000 services. Judged on a machine with as many CPUs
    as those need; the one with 4,096, whose capture takes longer to read, informs."""
    times = {}
    for cpus in (1024, 4096):
        path = machine.write(f"{bench.folder}/start-{cpus}.json", cpus)
        berthd = bench.started_daemon(f"start-{cpus}", ["--machine", path], services=1000)
        times[cpus] = []
        for _ in range(bench.rounds):
            berthd.stop()
            seconds = berthd.start(LIST, accept=lambda reply: reply.get("total_allocations") == 1000, timed=True)
            times[cpus].append(seconds * 1000)
        memory = berthd.memory()["VmRSS"] / 1e6
        berthd.stop()
    return [Line("start", "start to serving, 1,000 services in the store", 50, "ms", times[1024], {
        "on 4,096 CPUs ms": sorted(times[4096])[len(times[4096]) // 2], "RSS there MB": memory})]


def memory(bench):
    """Resident memory over many requests: four lists to one change, from eight clients. 1 MB is 10^6 bytes."""
    berthd = bench.started_daemon("memory", SIMULATED, services=3)
    step, total = bench.requests // 10, bench.requests // 10 * 10
    samples = [berthd.memory()]
    for _ in range(10):
        bench.load(berthd, LIST_TEXT, clients=CLIENTS, requests=step * 4 // 5)
        bench.load(berthd, allocation("load-%c", "%d"), clients=CLIENTS, requests=step - step * 4 // 5,
                   more=["--base", "1", "--modulo", "2"])
        samples.append(berthd.memory())
    berthd.stop()
    rss = [s["VmRSS"] / 1e6 for s in samples]
    return [
        Line("memory", f"berthd's RSS after {total:,} requests", 30, "MB", [rss[10]], {
            "at start MB": rss[0], "highest MB": samples[10]["VmHWM"] / 1e6,
            "anonymous MB": samples[10].get("RssAnon", 0) / 1e6, "of files MB": samples[10].get("RssFile", 0) / 1e6}),
        Line("memory", f"its growth from {total // 2:,} to {total:,} requests", 0.5, "MB", [rss[10] - rss[5]], {
            "RSS MB at each tenth": " ".join(f"{r:.1f}" for r in rss)}),
    ]


# What berth-bench measures, in µs, by the first two words of its names: one placement on so many CPUs; the plan of one
# enforced request on 512 CPUs; reading back 1,000 enforced claims; comparing claims with 2,000 threads.
LIMITS = {"placement-512": 50, "placement-4096": 500, "plan-512": 100, "reconcile-1000": 20_000, "verify-2000": 200_000}


def placement(bench):
    """berth-bench, beside berthd: JSON lines {"name": ..., "us": ...}. Names without a limit inform."""
    program = os.path.join(os.path.dirname(bench.berthd), "berth-bench")
    if not os.access(program, os.X_OK):
        return [Line("placement", f"one placement on {cpus:,} CPUs", limit, "µs", [], note="berth-bench is not built")
                for cpus, limit in ((512, 50), (4096, 500))]
    done = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Broken(f"berth-bench ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    lines = []
    for text in filter(str.strip, done.stdout.splitlines()):
        try:
            row = json.loads(text)
            name, us = str(row["name"]), float(row["us"])
        except (ValueError, KeyError, TypeError):
            raise Broken(f"berth-bench printed a line of another form: {text[:200]}")
        limit = LIMITS.get("-".join(name.split("-")[:2]))
        extra = {k: v for k, v in row.items() if k not in ("name", "us") and isinstance(v, (int, float, str))}
        lines.append(Line("placement", name, limit, "µs", [us], extra))
    for cpus in ("512", "4096"):
        if not any(line.name.split("-")[:2] == ["placement", cpus] for line in lines):
            raise Broken(f"berth-bench printed nothing named placement-{cpus}")
    return lines


SECTIONS = {"listing": listing, "bytes": bytes_, "changes": changes, "hanging": hanging, "placement": placement, "memory": memory,
            "start": start, "api": api}
