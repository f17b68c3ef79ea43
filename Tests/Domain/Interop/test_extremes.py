"""Rare events: full disks, no descriptors, shared ids, migrations during departures. W1, W5, W15, W21."""
import json
import signal
import time
import uuid

import grpc
import edgeless_pb2 as pb
import pytest
from mirror import physical
from node import resource, spawn
from waiting import DEADLINE, QUIET, channel, eventually


def test_a_full_disk_refuses_requests_and_loses_nothing_acknowledged(make_domain):
    domain = make_domain(start=False)
    domain.start(["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=600000"])
    node = domain.node().join()
    known, failures = [], 0
    for n in range(400):
        try:
            answer = domain.client.ask(spawn(code="x" * 20_000))
            if answer.HasField("response_error"):
                failures += 1
            else:
                known.append(answer.instance_id.domain_managed_instance_id.instance_id)
        except grpc.RpcError:
            failures += 1
        if failures > 3:
            break
    assert failures, f"{len(known)} starts were kept in a file of 600,000 bytes"
    domain.kill()
    domain.start()
    node.register()
    shown = {one["id"] for one in domain.status()["instances"]}
    assert set(known) <= shown
    for lid in shown:
        domain.client.stop(lid)
    unknown = domain.wait_until_idle_except_unknown_outcomes()
    eventually(lambda: unknown or not node.running, f"{len(node.running)} run, although no outcome is unknown")


def test_it_recovers_after_running_out_of_descriptors(make_domain):
    import socket
    domain = make_domain(start=False)
    domain.start(["prlimit", "--nofile=120"])
    node = domain.node().join()
    lid = domain.client.start()
    lines = []
    for _ in range(200):
        line = socket.socket()
        line.setblocking(False)
        line.connect_ex(("127.0.0.1", domain.orchestrator))
        lines.append(line)
    time.sleep(1)
    domain.client.stop(lid)
    for line in lines:
        line.close()
    eventually(lambda: not node.running, "it is stopped")
    with channel(domain.orchestrator) as late:
        import edgeless_pb2_grpc as rpc
        answer = rpc.FunctionInstanceStub(late).Start(spawn(), timeout=DEADLINE, wait_for_ready=True)
    assert answer.HasField("instance_id")
    node.nonce += 1
    node.join()


def test_a_node_that_returns_after_its_lease_is_reset_and_used(domain):
    node = domain.node().join()
    lid = domain.client.start()
    node.leave()
    eventually(lambda: not domain.status()["nodes"], "it is gone")
    node.forget()
    node.join()
    eventually(lambda: node.of("StartFunction"), "its function starts anew")
    assert node.names()[0] == "Reset" and len(node.running) == 1
    domain.client.stop(lid)
    eventually(lambda: not node.running, "and can be stopped")


def test_a_refused_process_is_accepted_when_the_other_with_its_id_is_gone(domain):  # W1
    node = domain.node().join()
    thief = domain.node(node_id=node.id, nonce=node.nonce + 1)
    assert not thief.register(lease=2).HasField("response_error")
    thief.wait("Reset")
    assert node.register().HasField("response_error")
    eventually(lambda: not node.register().HasField("response_error"), "the owner is accepted")
    domain.ready(node)
    domain.client.start()


def test_repeated_restarts_of_a_node_leave_one_instance(domain):
    node = domain.node().join()
    domain.client.start()
    node.delay = 0.4
    for _ in range(3):
        node.nonce += 1
        node.running.clear()
        node.register()
        time.sleep(0.15)
    node.delay = 0
    eventually(lambda: len(node.running) == 1, "one function runs")
    domain.wait_until_idle_except_unknown_outcomes()
    assert len(node.running) == 1


def test_agent_urls_with_a_host_name_or_a_trailing_slash_work(domain):
    one, two = domain.node(labels=["one"]), domain.node(labels=["two"])
    one.agent_url = f"http://localhost:{one.port}"
    two.agent_url += "/"
    domain.join(one, two)
    for label in ("one", "two"):
        domain.client.start(spawn(annotations={"label_match_all": label}))
    assert len(one.running) == len(two.running) == 1


def test_a_duplicate_provider_counts_once(domain):
    node = domain.node(providers=[("p", "rc-1"), ("p", "rc-1")]).join()
    update = domain.controller.update_where(lambda update: update.capabilities.resource_providers, "the provider")
    assert list(update.capabilities.resource_providers) == ["p"]
    domain.client.start(resource())
    assert len(node.running) == 1


def test_a_node_that_returns_the_same_id_twice_causes_no_failure(domain):
    node = domain.node().join()
    identity = str(uuid.uuid4())
    node.answer = pb.StartComponentResponse(instance_id=pb.InstanceIdVariant(
        instance_id=pb.InstanceId(node_id=node.id, function_id=identity)))
    answers = [domain.client.ask(spawn()) for _ in range(2)]
    node.answer = None
    for answer in answers:
        if answer.HasField("instance_id"):
            domain.client.stop(answer.instance_id.domain_managed_instance_id.instance_id)
    node.wait("StopFunction")
    domain.wait_until_idle_except_unknown_outcomes()
    domain.client.stop(domain.client.start())


def test_compressed_messages_are_accepted_or_unimplemented(shared):
    try:
        answer = shared.client.functions.Start(spawn(annotations={"x": "y" * 1000}), timeout=20, compression=grpc.Compression.Gzip)
        shared.client.stop(answer.instance_id.domain_managed_instance_id.instance_id)
    except grpc.RpcError as refusal:
        assert refusal.code() == grpc.StatusCode.UNIMPLEMENTED
    shared.client.stop(shared.client.start())


def test_a_reset_reaches_a_hung_node_when_it_answers_again(make_domain):
    domain = make_domain(settings={"general.call_deadline_seconds": 2})
    hung, sound = domain.join(domain.node(labels=["hung"]), domain.node(labels=["sound"]))
    for label in ("hung", "sound"):
        domain.client.start(spawn(annotations={"label_match_all": label}))
    hung.hanging.add("StopFunction")
    domain.controller.forget()
    eventually(lambda: not sound.running, "the sound node stops at once")
    new = domain.client.start(spawn(annotations={"label_match_all": "sound"}))
    hung.hanging.clear()
    hung.released.set()
    eventually(lambda: not hung.running, "the hung node stops later")
    domain.wait_until_idle()
    assert [one["id"] for one in domain.status()["instances"]] == [new] and len(sound.running) == 1


def test_an_instance_stopped_during_its_migration_runs_nowhere(make_domain, database):  # W15
    domain = make_domain(redis=database.url)
    old = domain.node().join()
    lid = domain.client.start()
    new = domain.node().join()
    new.hanging.add("StartFunction")
    database.intend(f"intent:migrate:{lid}", new.id)
    new.wait("StartFunction")
    domain.client.stop(lid)
    new.hanging.clear()
    new.released.set()
    eventually(lambda: not old.running and not new.running, "it runs nowhere")
    assert database.outcome(f"intent:migrate:{lid}")["status"] in ("done", "declined")
    domain.wait_until_idle()
    assert not old.running and not new.running


def test_a_migration_whose_target_leaves_is_declined_and_the_instance_runs(make_domain, database):
    domain = make_domain(redis=database.url)
    old = domain.node().join()
    lid = domain.client.start()
    new = domain.node().join()
    new.hanging.add("StartFunction")
    database.intend(f"intent:migrate:{lid}", new.id)
    new.wait("StartFunction")
    new.leave()
    assert database.outcome(f"intent:migrate:{lid}")["status"] == "declined"
    eventually(lambda: len(old.running) == 1, "it runs where it was")
    value = json.loads(database.value(f"instance:{lid}", lambda text: old.id in text))
    assert physical(value["Function"][1][0])[1] in old.running


def test_an_intent_that_was_taken_before_a_kill_has_an_outcome_after_it(make_domain, database):
    domain = make_domain(redis=database.url)
    old = domain.node().join()
    lid = domain.client.start()
    new = domain.node().join()
    new.hanging.add("StartFunction")
    database.intend(f"intent:migrate:{lid}", new.id)
    new.wait("StartFunction")
    domain.kill()
    new.hanging.clear()
    new.released.set()
    domain.start()
    for node in (old, new):
        node.register()
    assert database.outcome(f"intent:migrate:{lid}")["status"] in ("declined", "done")
    eventually(lambda: len(old.running) + len(new.running) >= 1, "it runs")
    value = json.loads(database.value(f"instance:{lid}", lambda text: "InstanceId(" in text))
    where = physical(value["Function"][1][0])
    assert where[1] in {old.id: old.running, new.id: new.running}[where[0]]


def test_thirty_nodes_that_join_at_once_all_know_each_other(domain):
    nodes = domain.join(*[domain.node() for _ in range(30)])
    assert all(len({call.of for call in node.of("Add")}) == 30 for node in nodes)
    assert all(node.names()[0] == "Reset" and len(node.of("Reset")) == 1 for node in nodes)
    domain.controller.update_where(lambda update: update.capabilities.num_cpus == 30, "all nodes")


def test_an_orderly_stop_during_a_start_ends_in_time_and_records_no_instance(make_domain):
    domain = make_domain()
    node = domain.node().join()
    node.hanging.add("StartFunction")
    future = domain.client.functions.Start.future(spawn(), timeout=60)
    node.wait("StartFunction")
    began = time.monotonic()
    assert domain.end() == 0
    assert time.monotonic() - began < 30
    try:
        assert not future.result().HasField("instance_id"), "nothing was started"
    except grpc.RpcError:
        pass
    node.hanging.clear()
    node.released.set()
    domain.start()
    node.register()
    assert domain.status()["instances"] == [] and not node.running


def test_a_lost_function_whose_candidate_hangs_is_started_once_in_the_end(make_domain):
    domain = make_domain(settings={"general.call_deadline_seconds": 1})
    one, two = domain.join(domain.node(labels=["first"]), domain.node())
    lid = domain.client.start(spawn(annotations={"node_id_match_any": f"{one.id},{two.id}"}))
    home, other = (one, two) if one.running else (two, one)
    other.hanging.add("StartFunction")
    home.leave()
    other.wait("StartFunction")
    time.sleep(1.5)
    other.hanging.clear()
    other.released.set()
    eventually(lambda: other.running, "it runs")
    eventually(lambda: [one["node"] for one in domain.status()["instances"]] == [other.id], "as is shown")
    domain.client.stop(lid)
    eventually(lambda: not other.running, "once")
