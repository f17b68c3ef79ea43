"""Random histories: in the end each instance runs once, where the domain says, with its latest wiring."""
import json
import os
import random
import time

import pytest
from mirror import physical
from node import resource, spawn
from waiting import eventually

SEED = int(os.environ.get("BERTH_INTEROP_SEED", random.randrange(2 ** 32)))
STEPS = int(os.environ.get("BERTH_INTEROP_STEPS", 100))


@pytest.mark.parametrize("history", range(2))
def test_after_any_history_every_instance_runs_once_with_its_latest_wiring(make_domain, database, history):
    rng = random.Random(SEED + history)
    print("BERTH_INTEROP_SEED =", SEED)
    domain = make_domain(redis=database.url, settings={
        "general.call_deadline_seconds": 2, "baseline.make_before_break": bool(history % 2)})
    nodes = domain.join(*[domain.node(relayed=True, providers=[(f"p{n}", "rc-1")] if n % 2 else []) for n in range(4)])
    wirings, kinds, down = {}, {}, {}
    log = []

    def refresh():
        for node in nodes:
            if node not in down:
                node.register(lease=60)

    def step():
        what = rng.choices(["start", "stop", "patch", "restart", "leave", "back", "cut", "refuse", "migrate", "cordon", "kill",
                            "fail", "mend", "slow"], [20, 8, 15, 4, 4, 8, 6, 4, 8, 3, 2, 4, 6, 3])[0]
        node, lid = rng.choice(nodes), rng.choice(sorted(wirings)) if wirings else None
        log.append((what, nodes.index(node), lid))
        if what == "start" and len(wirings) < 25:
            kind = rng.choice(["function", "function", "resource"])
            answer = domain.client.ask(spawn() if kind == "function" else resource())
            if answer.HasField("instance_id"):
                lid = answer.instance_id.domain_managed_instance_id.instance_id
                wirings[lid], kinds[lid] = {}, kind
        elif what == "stop" and lid:
            domain.client.stop(lid, kinds[lid])
            del wirings[lid]
        elif what == "patch" and lid:
            wirings[lid] = {f"c{n}": rng.choice(sorted(wirings)) for n in range(rng.randint(0, 3))}
            domain.client.patch(lid, wirings[lid], kinds[lid])
        elif what == "restart" and node not in down:
            with node.changed:
                node.running.clear()
            node.nonce += 1
            node.register(lease=60)
        elif what == "leave" and len(down) < 3 and node not in down:
            down[node] = True
            node.leave()
        elif what == "back" and down:
            node = rng.choice(sorted(down, key=nodes.index))
            del down[node]
            if rng.random() < 0.5:
                with node.changed:
                    node.running.clear()
                node.nonce += 1
            node.register(lease=60)
        elif what == "cut":
            node.relay.cut()
        elif what == "refuse":
            node.refusals = rng.randint(0, 3)
        elif what == "fail":
            node.failing |= {rng.choice(["StopFunction", "PatchFunction", "StopResource", "PatchResource", "StartFunction",
                                          "Reset", "Add", "Del"])}
        elif what == "slow":
            node.delay = rng.choice([0.05, 0.3])
        elif what == "mend":
            node.failing.clear()
            node.delay = 0
        elif what == "migrate" and lid:
            database.intend(f"intent:migrate:{lid}", node.id)
        elif what == "cordon":
            database.intend(f"intent:cordon:{node.id}", rng.choice(["yes", "no"]))
        elif what == "kill":
            domain.kill()
            domain.start()
            refresh()
        time.sleep(rng.choice([0, 0, 0, 0.02, 0.1]))

    for _ in range(STEPS):
        step()
    for node in nodes:
        node.failing.clear()
        node.refusals, node.delay = 0, 0
    for node in list(down):
        del down[node]
    eventually(lambda: database.redis.llen("intents") == 0, "all intents are taken")
    for node in nodes:
        database.cordon(node.id, "no")
    refresh()
    for node in nodes:
        domain.ready(node)
    unknown = domain.wait_until_idle_except_unknown_outcomes()

    shown = {one["id"]: one["node"] for one in domain.status()["instances"]}
    assert set(shown) == set(wirings), log
    where = {}
    for lid in wirings:
        value = json.loads(database.value(f"instance:{lid}", lambda text: text and shown[lid] in text))
        where[lid] = physical(value["Function"][1][0] if "Function" in value else value["Resource"][1])
    by_id = {node.id: node for node in nodes}
    for lid, (node, identity) in where.items():
        assert node == shown[lid] and identity in by_id[node].running, (lid, log)
    running = {(node.id, identity) for node in nodes for identity in node.running}
    assert len({node for node, _ in running - set(where.values())}) <= unknown, (unknown, log)
    for lid, wiring in wirings.items():
        node, identity = where[lid]
        wanted = {channel: where[target] for channel, target in wiring.items() if target in where}
        patches = [call.detail for call in by_id[node].of("PatchFunction", "PatchResource") if call.of == identity]
        assert (patches[-1] if patches else {}) == wanted, (lid, wiring, log)
