"""Nodes that fail, and the domain itself: sections 3.1, 3.2, 4.10; O4; W1, W4, W5, W17."""
import os
import signal
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import edgeless_pb2 as pb
import pytest
from node import resource, spawn
from waiting import QUIET, eventually


def test_a_lost_resource_starts_elsewhere_and_its_origin_is_patched_once(domain):  # O4
    nodes = domain.join(*[domain.node(labels=["stable" if i == 0 else "unstable"], providers=[(f"p{i}", "rc-1")])
                          for i in range(10)])
    f = domain.client.start(spawn(annotations={"label_match_all": "stable"}))
    r = domain.client.start_until(lambda: any(node.of("StartResource") for node in nodes[1:]),
                                  "a resource starts on an unstable node", resource())
    lost = [node for node in nodes[1:] if node.of("StartResource")][0]
    domain.client.patch(f, {"out": r})
    nodes[0].wait("PatchFunction")
    domain.wait_until_idle()
    for node in nodes:
        node.forget()
    lost.leave()
    survivors = [node for node in nodes if node is not lost]
    nodes[0].wait("PatchFunction")
    domain.wait_until_idle()
    time.sleep(QUIET)
    new = [(node.id, call.of) for node in survivors for call in node.of("StartResource")]
    assert len(new) == 1
    assert [call.detail for call in nodes[0].of("PatchFunction")] == [{"out": new[0]}]
    assert all([call.of for call in node.of("Del")] == [lost.id] for node in survivors)
    assert sum(len(node.calls) for node in survivors) == 9 + 1 + 1
    assert lost.names() == []


def test_the_worked_example_of_a_dead_node_and_its_return(domain):  # 4.10
    a, b, c = domain.join(domain.node(labels=["a", "ac"]), domain.node(labels=["b"], providers=[("p", "rc-1")]),
                          domain.node(labels=["ac"]))
    f1 = domain.client.start(spawn(annotations={"label_match_all": "a"}))
    b_only = spawn()

    def on_b():
        lid = domain.client.start(b_only)
        if b.of("StartFunction"):
            return lid
        domain.client.stop(lid)
    f2 = eventually(on_b, "a function starts on b")
    r = domain.client.start(resource())
    domain.client.patch(f1, {"x": f2, "y": r})
    a.wait("PatchFunction")
    domain.wait_until_idle()
    for node in (a, b, c):
        node.forget()
    b.running.clear()
    b.leave()
    moved = eventually(lambda: [(n.id, one.of) for n in (a, c) for one in n.of("StartFunction")], "f2 starts again")[0]
    eventually(lambda: a.of("PatchFunction") and a.of("PatchFunction")[-1].detail == {"x": moved}, "y is left out")
    b.nonce += 1
    b.register()
    again = b.wait("StartResource")[0]
    eventually(lambda: a.of("PatchFunction")[-1].detail == {"x": moved, "y": (b.id, again.of)}, "both channels")
    assert b.names()[0] == "Reset"
    time.sleep(QUIET)
    assert not b.of("StartFunction"), "nothing goes back by itself"


def test_an_unschedulable_function_waits_without_retries(domain):  # W17
    one, two = domain.join(domain.node(labels=["one"]), domain.node(labels=["two"]))
    lid = domain.client.start(spawn(annotations={"label_match_all": "one"}))
    two.forget()
    one.leave()
    two.wait("Del")
    time.sleep(QUIET)
    assert two.names() == ["Del"]
    assert [(i["id"], i["node"]) for i in domain.status()["instances"]] == [(lid, None)]
    two.capabilities.labels.append("one")
    two.register()
    two.wait("StartFunction")


def test_a_node_that_returns_within_the_grace_keeps_what_no_other_node_took(make_domain):
    domain = make_domain(settings={"general.disconnect_grace_seconds": 60, "general.lease_max_seconds": 3})
    stays, goes = domain.node(labels=["stays"]), domain.node(labels=["goes"])
    stays.keep()
    kept = goes.keep()
    for node in (stays, goes):
        domain.ready(node)
    origin = domain.client.start(spawn(annotations={"label_match_all": "stays"}))
    pinned = domain.client.start(spawn(annotations={"label_match_all": "goes"}))
    moves = domain.client.start_until(lambda: len(goes.running) > 1, "a function that can move starts there")
    domain.client.patch(origin, {"a": pinned, "b": moves})
    domain.wait_until_idle()
    before = [call.of for call in goes.of("StartFunction")]
    kept.set()
    eventually(lambda: {one["id"]: one["node"] for one in domain.status()["instances"]}
               == {**{lid: stays.id for lid in (one["id"] for one in domain.status()["instances"])}, pinned: None},
               "what can move moves")
    goes.forget()
    goes.keep()
    eventually(lambda: {one["id"]: one["node"] for one in domain.status()["instances"]}[pinned] == goes.id, "it is back")
    domain.wait_until_idle()
    time.sleep(QUIET)
    assert not set(goes.names()) & {"Reset", "StartFunction"}
    assert list(goes.running) == [before[0]] and [call.of for call in goes.of("StopFunction")] == [before[1]]
    moved = stays.of("StartFunction")[-1].of
    assert stays.of("PatchFunction")[-1].detail == {"a": (goes.id, before[0]), "b": (stays.id, moved)}


def test_a_waiting_function_can_be_stopped(domain):
    node = domain.node().join()
    lid = domain.client.start()
    node.leave()
    eventually(lambda: domain.status()["nodes"] == [], "the node is gone")
    domain.client.stop(lid)
    node.forget()
    node.nonce += 1
    node.join()
    time.sleep(QUIET)
    assert not node.of("StartFunction")


def test_a_refused_restart_is_retried_with_a_back_off(domain):  # W17
    one, two = domain.join(domain.node(labels=["one"]), domain.node(labels=["two"]))
    domain.client.start(spawn(annotations={"node_id_match_any": one.id}))
    one.forget()
    one.refusals = 3
    one.nonce += 1
    one.register()
    one.wait("StartFunction")
    began = time.monotonic()
    one.wait("StartFunction", 4)
    assert time.monotonic() - began > 5, "after 1, 2 and 4 seconds"
    eventually(lambda: len(one.running) == 1, "it runs again")


def deploy(domain):
    """Two nodes, a function on each, a resource; wirings between them."""
    nodes = domain.join(domain.node(labels=["one"]), domain.node(labels=["two"], providers=[("p", "rc-1")]))
    lids = [domain.client.start(spawn(annotations={"label_match_all": "one", "init-payload": "π"}, binary=b"x" * 100_000)),
            domain.client.start(spawn(annotations={"label_match_all": "two"})), domain.client.start(resource())]
    domain.client.patch(lids[0], {"a": lids[1], "b": lids[2]})
    nodes[0].wait("PatchFunction")
    domain.wait_until_idle()
    return nodes, lids


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "stop"])
def test_a_restart_resets_nobody_and_keeps_functions_wirings_nonce_and_counter(make_domain, how):  # W5
    domain = make_domain()
    nodes, lids = deploy(domain)
    before = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2, "both nodes")
    status = domain.end(how)
    assert status == (-9 if how == signal.SIGKILL else 0)
    running = [dict(node.running) for node in nodes]
    for node in nodes:
        node.forget()
    domain.start()
    for node in nodes:
        node.register()
    after = domain.controller.next(2)
    assert after.nonce == before.nonce
    assert after.counter >= before.counter
    domain.controller.update_where(lambda update: update.capabilities.num_cpus == 2, "both nodes count")
    domain.wait_until_idle_except_unknown_outcomes()
    assert not any(set(node.names()) & {"Reset", "StartFunction", "StopFunction", "StartResource", "StopResource"}
                   for node in nodes)
    assert [dict(node.running) for node in nodes] == running
    # The controller knows the nonce and requested no reset. Everything still works:
    domain.client.stop(lids[1])
    eventually(lambda: nodes[0].of("PatchFunction") and set(nodes[0].of("PatchFunction")[-1].detail) == {"b"},
               "the wiring is known after the restart")
    # The Stop goes to the other node, and may take effect after the patch.
    eventually(lambda: len(nodes[1].running) == 1, "the function is stopped")
    # A function that is lost now starts with the original request, including its code.
    nodes[0].nonce += 1
    nodes[0].running.clear()
    nodes[0].forget()
    nodes[0].register()
    started = nodes[0].wait("StartFunction")[0].detail
    assert started.code.binary == b"x" * 100_000 and started.annotations["init-payload"] == "π"


def test_a_kill_leaves_no_unknown_outcomes_of_answered_starts(make_domain):  # W5
    domain = make_domain()
    nodes, lids = deploy(domain)
    time.sleep(QUIET)
    assert domain.wait_until_idle_except_unknown_outcomes() == 0
    domain.kill()
    domain.start()
    for node in nodes:
        node.register()
    assert {one["id"] for one in domain.status()["instances"]} == set(lids)
    assert domain.wait_until_idle_except_unknown_outcomes() == 0


def test_a_node_that_restarted_while_the_domain_was_away_is_reset_once_and_refilled(make_domain):
    domain = make_domain()
    nodes, _ = deploy(domain)
    domain.kill()
    nodes[1].nonce += 1
    nodes[1].running.clear()
    for node in nodes:
        node.forget()
    domain.start()
    for node in nodes:
        node.register()
    eventually(lambda: len(nodes[1].running) == 2, "function and resource run again")
    eventually(lambda: nodes[0].of("PatchFunction"), "the origin is patched")
    new = {call.what: call.of for call in nodes[1].of("StartFunction", "StartResource")}
    eventually(lambda: nodes[0].of("PatchFunction")[-1].detail
               == {"a": (nodes[1].id, new["StartFunction"]), "b": (nodes[1].id, new["StartResource"])}, "to the new ones")
    assert [len(node.of("Reset")) for node in nodes] == [0, 1]
    assert not nodes[0].of("StartFunction")


def test_a_node_that_does_not_return_after_a_restart_is_removed_after_the_grace_period(make_domain):
    domain = make_domain(settings={"general.recovery_grace_seconds": 2})
    nodes = domain.join(domain.node(), domain.node())
    for _ in range(6):
        domain.client.start()
    lost, stays = nodes if nodes[0].running else nodes[::-1]
    domain.kill()
    domain.start()
    stays.keep()
    eventually(lambda: len(stays.running) == 6, "all run where there is a node")


def test_a_stop_that_was_acknowledged_before_a_kill_is_carried_out_after_it(make_domain):  # W9, W5
    domain = make_domain()
    node = domain.node(relayed=True).join()
    lid = domain.client.start()
    node.relay.refusing = True
    node.relay.cut()
    domain.client.stop(lid)
    domain.kill()
    node.relay.refusing = False
    domain.start()
    node.register()
    eventually(lambda: not node.running, "it is stopped after the restart")
    assert not node.of("Reset")[1:]


def test_whatever_was_acknowledged_before_a_kill_is_there_after_it(make_domain):
    domain = make_domain()
    nodes = domain.join(*[domain.node() for _ in range(3)])
    acknowledged, stop = [], []

    def pump(_):
        while not stop:
            try:
                acknowledged.append(domain.client.functions.Start(spawn(), timeout=5)
                                    .instance_id.domain_managed_instance_id.instance_id)
            except grpc.RpcError:
                return
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(pump, n) for n in range(6)]
        eventually(lambda: len(acknowledged) > 40, "some starts")
        domain.kill()
        stop.append(True)
        [future.result() for future in futures]
    domain.start()
    for node in nodes:
        node.register()
    known = {one["id"] for one in domain.status()["instances"]}
    assert set(filter(None, acknowledged)) <= known
    for lid in known:
        domain.client.stop(lid)
    unknown = domain.wait_until_idle_except_unknown_outcomes()
    eventually(lambda: sum(1 for node in nodes if node.running) <= unknown
               and sum(len(node.running) for node in nodes) <= len(futures),
               "nothing runs but starts that were under way when it was killed")


def test_five_kills_in_a_row_lose_nothing(make_domain):
    domain = make_domain()
    nodes, lids = deploy(domain)
    nonce = domain.controller.next().nonce
    for _ in range(5):
        domain.kill()
        domain.start()
        for node in nodes:
            node.register()
        lids.append(domain.client.start(spawn()))
    for node in nodes:
        node.register()
    assert domain.controller.next().nonce == nonce
    assert {one["id"] for one in domain.status()["instances"]} == set(lids)
    assert all(len(node.of("Reset")) == 1 for node in nodes)


def test_a_second_process_on_the_same_state_is_refused(make_domain):
    domain = make_domain()
    other = make_domain(start=False)
    other.state = domain.state
    other.launch()
    assert other.process.wait(timeout=30) == 75
    assert domain.alive()


def test_corrupt_state_exits_with_65(make_domain):
    domain = make_domain()
    deploy(domain)
    domain.end()
    files = [os.path.join(domain.state, name) for name in os.listdir(domain.state) if name.startswith("domain")]
    largest = max(files, key=os.path.getsize)
    size = os.path.getsize(largest)
    with open(largest, "r+b") as file:
        for position in range(0, size, 512):
            file.seek(position + 100)
            file.write(b"\xff\x00\xff\x00")
    domain.launch()
    assert domain.process.wait(timeout=30) == 65
    assert os.path.basename(largest) in domain.log()


def test_state_belongs_to_its_owner_alone(domain):
    assert os.stat(domain.state).st_mode & 0o777 == 0o700


def test_an_orderly_stop_exits_with_0_and_leaves_instances_running(domain):
    node = domain.node().join()
    domain.client.start()
    assert domain.end() == 0
    assert len(node.running) == 1 and not node.of("StopFunction")


def test_stops_and_patches_that_were_acknowledged_before_a_kill_hold_after_it(make_domain):
    domain = make_domain()
    nodes = domain.join(*[domain.node() for _ in range(2)])
    with ThreadPoolExecutor(8) as pool:
        lids = list(pool.map(lambda _: domain.client.start(), range(120)))
    stopped, patched = [], []

    def work(lid):
        try:
            if lids.index(lid) % 2:
                domain.client.functions.Stop(here(lid), timeout=5)
                stopped.append(lid)
            else:
                domain.client.functions.Patch(patch_request(lid), timeout=5)
                patched.append(lid)
        except grpc.RpcError:
            pass
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(work, lid) for lid in lids]
        eventually(lambda: len(stopped) > 15 and len(patched) > 15, "some are acknowledged")
        domain.kill()
        [future.result() for future in futures]
    domain.start()
    for node in nodes:
        node.register()
    domain.wait_until_idle_except_unknown_outcomes()
    shown = {one["id"] for one in domain.status()["instances"]}
    assert not set(stopped) & shown
    assert {lid for lid in lids if lids.index(lid) % 2 == 0} <= shown
    assert sum(len(node.running) for node in nodes) == len(shown)
    ids = {call.of for node in nodes for call in node.of("PatchFunction") if set(call.detail) == {"me"}}
    assert len(ids) >= len(patched)


def here(lid):
    return pb.InstanceIdVariant(domain_managed_instance_id=pb.DomainManagedInstanceId(instance_id=lid))


def patch_request(lid):
    return pb.PatchRequest(function_id=lid, output_mapping={
        "me": pb.InstanceId(node_id=str(uuid.UUID(int=0)), function_id=lid)})


def test_an_orderly_stop_while_a_start_is_slow_resets_nobody(make_domain):  # W5
    domain = make_domain()
    slow, sound = domain.join(domain.node(labels=["slow"]), domain.node(labels=["sound"]))
    for node in (slow, sound):
        node.keep(period=0.5, lease=2)
    for _ in range(3):
        domain.client.start(spawn(annotations={"label_match_all": "sound"}))
    slow.delay = 3
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(domain.client.ask, spawn(annotations={"label_match_all": "slow"}))
        slow.wait("StartFunction")
        slow.forget()
        sound.forget()
        domain.end()
        assert waiting.result().HasField("instance_id"), "what is under way is finished"
    slow.delay = 0
    domain.start()
    domain.wait_until_idle()
    assert "Reset" not in slow.names() + sound.names()
    assert len(sound.running) == 3 and len(slow.running) == 1
