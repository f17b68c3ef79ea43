"""What real edges do: nodes that are half dead, connections that are dead, networks that fail as a whole."""
import signal
import time

import pytest
from controller import Controller
from node import resource, spawn
from waiting import QUIET, Relay, eventually


@pytest.mark.parametrize("strategy", ["Random", "RoundRobin", "LoadAware"])
def test_a_node_that_refreshes_but_answers_no_call_is_the_last_choice_until_it_answers(make_domain, strategy):
    domain = make_domain(settings={"general.call_deadline_seconds": 2, "baseline.orchestration_strategy": strategy})
    silent, sound = domain.join(domain.node(labels=["silent"]), domain.node(labels=["sound"]))
    for node in (silent, sound):
        node.keep(period=3, lease=60)
    silent.hanging |= {"StartFunction", "StopFunction", "PatchFunction", "Add", "Del", "Reset"}
    silent.forget()
    # On a slow machine a peer update may be the call that it does not answer: then no start reaches it.
    eventually(lambda: domain.client.start() and "a node does not answer; it is the last choice" in domain.log(),
               "the log says so")
    asked = len(silent.of("StartFunction"))
    for _ in range(20):
        domain.client.start()
    assert len(silent.of("StartFunction")) == asked and len(sound.running) > 20
    domain.client.refused(spawn(annotations={"label_match_all": "silent"}))
    assert len(silent.of("StartFunction")) == asked + 1, "where nobody else would do, it is asked"
    silent.wait("Add", 3)  # it is probed until it answers
    silent.hanging.clear()
    silent.released.set()
    eventually(lambda: "a node answers" in domain.log(), "it answers")
    eventually(lambda: domain.client.start() and silent.running, "it is chosen again")
    eventually(lambda: "a node answers again" in domain.log(), "it has answered a start")


@pytest.mark.parametrize("strategy", ["Random", "RoundRobin", "LoadAware"])
def test_a_node_that_answers_all_calls_but_starts_is_tried_by_one_start_at_a_time(make_domain, strategy):
    domain = make_domain(settings={"general.call_deadline_seconds": 1, "baseline.orchestration_strategy": strategy})
    hung, sound = domain.join(domain.node(labels=["hung"]), domain.node(labels=["sound"]))
    for node in (hung, sound):
        node.keep(period=3, lease=60)
    hung.hanging.add("StartFunction")
    eventually(lambda: domain.client.start() and "has not answered its last Start" in domain.log(), "the log says so")
    began = time.monotonic()
    asked = len(hung.of("StartFunction"))
    for _ in range(20):
        domain.client.start()
    if time.monotonic() - began < 8:
        assert len(hung.of("StartFunction")) == asked, "it is not asked again soon"
    eventually(lambda: domain.client.start() and len(hung.of("StartFunction")) > asked, "one start tries it")
    for _ in range(20):
        domain.client.start()
    assert len(hung.of("StartFunction")) == asked + 1
    hung.hanging.clear()
    hung.released.set()
    eventually(lambda: domain.client.start() and "a node answers again" in domain.log(), "a start is answered in time")
    asked = len(hung.of("StartFunction"))
    eventually(lambda: domain.client.start() and len(hung.of("StartFunction")) > asked, "it is chosen as before")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_component_that_its_node_cannot_stop_is_known_after_a_restart_of_the_domain(make_domain, how):
    domain = make_domain()
    node = domain.node()
    node.keep(lease=60)
    domain.ready(node)
    lid = domain.client.start()
    node.failing.add("StopFunction")
    domain.client.stop(lid)
    node.wait("StopFunction", 1)
    time.sleep(0.5)  # the answer is stored
    domain.end(how)
    node.forget()
    domain.start()
    eventually(lambda: "a node cannot stop a component, which is given up until the node's next reset" in domain.log(),
               "the log says so")
    time.sleep(1.1)  # the status may be a second old
    assert domain.status()["remaining"]["orphans"] == 1 and len(node.running) == 1
    assert "Reset" not in node.names()


def test_six_intents_in_one_batch_take_effect_in_list_order(make_domain, database):
    domain = make_domain(redis=database.url)
    home, first, last = domain.join(domain.node(labels=["home"]), domain.node(), domain.node())
    moves = [domain.client.start(spawn(annotations={"node_id_match_any": f"{home.id},{first.id}"})) for _ in range(4)]
    domain.wait_until_idle()
    for one in domain.status()["instances"]:
        if one["node"] != home.id:
            assert database.migrate(one["id"], home.id)["status"] == "done"
    first.delay = 0.5  # the cordon comes while the migrations are under way
    intents = [(f"intent:migrate:{lid}", first.id) for lid in moves[:3]]
    intents += [(f"intent:cordon:{first.id}", "yes"), (f"intent:migrate:{moves[3]}", first.id),
                (f"intent:cordon:{last.id}", "yes")]
    pipe = database.redis.pipeline()
    for key, value in intents:
        pipe.delete("intent:result:" + key.removeprefix("intent:"))
        pipe.set(key, value)
    pipe.rpush("intents", *[key for key, _ in intents])
    pipe.execute()
    outcomes = [database.outcome(key)["status"] for key, _ in intents]
    assert outcomes == ["done", "done", "done", "done", "declined", "done"]
    domain.wait_until_idle()
    where = {one["id"]: one["node"] for one in domain.status()["instances"]}
    assert [where[lid] for lid in moves] == [first.id] * 3 + [home.id]
    assert len(first.running) == 3 and len(home.running) == 1 and not last.running


def test_an_instance_that_no_longer_fits_stays_while_the_other_node_refuses_it(make_domain):
    domain = make_domain(settings={"baseline.make_before_break": True})
    here = domain.node(labels=["red"]).join()
    lid = domain.client.start(spawn(annotations={"label_match_all": "red"}))
    other = domain.node(labels=["red"])
    other.refusals = 1000
    other.join()
    here.forget()
    del here.capabilities.labels[:]
    here.register()
    other.wait("StartFunction", 3)
    assert len(here.running) == 1 and not here.of("StopFunction")
    assert [one["node"] for one in domain.status()["instances"] if one["id"] == lid] == [here.id]
    seen = []
    other.after = lambda what: seen.append((what, len(here.running)))
    other.refusals = 0
    eventually(lambda: len(other.running) == 1 and not here.running, "it moves when the other node takes it")
    assert seen == [("StartFunction", 1)], "it ran all the time"


def test_a_resource_that_its_node_has_lost_is_given_up_and_cleared_at_the_next_reset(domain):
    node = domain.node(providers=[("p", "rc-1")]).join()
    lid = domain.client.start(resource())
    node.running.clear()
    node.failing.add("StopResource")
    domain.client.stop(lid, "resource")
    node.wait("StopResource", 5)
    eventually(lambda: "a node cannot stop a component, which is given up until the node's next reset" in domain.log(),
               "the log says so")
    time.sleep(18)  # longer than the delay before a sixth try
    assert len(node.of("StopResource")) == 5
    assert domain.status()["remaining"]["orphans"] == 1
    node.forget()
    node.nonce += 1
    node.register()
    node.wait("Reset")
    domain.wait_until_idle()
    assert not node.of("StopResource")


def test_when_most_nodes_vanish_at_once_few_are_evicted_in_an_interval_and_the_others_may_return(make_domain):
    domain = make_domain(settings={"general.lease_max_seconds": 6, "general.evictions_per_interval": 2})
    nodes = [domain.node() for _ in range(8)]
    stops = [node.keep(period=1, lease=6) for node in nodes]
    for node in nodes:
        domain.ready(node)
        domain.client.start(spawn(annotations={"node_id_match_any": node.id}))
    domain.wait_until_idle()
    time.sleep(5)  # their interval becomes known
    for node in nodes:
        node.forget()
    for stop in stops:
        stop.set()
    eventually(lambda: "most nodes are missing; their instances are moved slowly" in domain.log(), "the log says so")
    assert "2 in 10 s" in domain.log()
    eventually(lambda: domain.metric("berth_domain_evictions_delayed"), "the figure says so")
    time.sleep(1.1)  # the status may be a second old
    left = domain.status()["nodes"]
    assert len(left) >= 4
    time.sleep(3)
    assert domain.status()["nodes"] == left, "no others in this interval"
    assert domain.metric("berth_domain_evictions_delayed") == len(left)
    present = {one["id"] for one in left}
    for node in nodes:
        node.keep(period=1, lease=6)
    eventually(lambda: "evictions are not limited any more" in domain.log(), "they are back")
    for node in nodes:
        domain.ready(node)
    domain.wait_until_idle()
    assert all(not set(node.names()) & {"Reset", "StopFunction"} for node in nodes if node.id in present)
    assert domain.metric("berth_domain_evictions_delayed") == 0


def test_a_connection_to_the_controller_that_is_dead_is_replaced(make_domain):
    controller = Controller()
    relay = Relay(controller.port)
    domain = make_domain(controller=controller, interval=2,
                         settings={"general.domain_register_url": f"http://127.0.0.1:{relay.port}"})
    domain.closing(relay.close)
    domain.controller.next(2)
    dialled = relay.accepted
    relay.go_dead()
    domain.controller.next(2)
    assert relay.accepted > dialled


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_that_returns_after_a_restart_of_the_domain_during_its_grace_is_reset_once(make_domain, how):
    domain = make_domain(settings={"general.disconnect_grace_seconds": 600, "general.lease_max_seconds": 5})
    node = domain.node()
    stop = node.keep()
    domain.ready(node)
    lid = domain.client.start()
    domain.wait_until_idle()
    stop.set()
    eventually(lambda: not domain.status()["nodes"], "its lease ends")
    node.forget()
    domain.end(how)
    domain.start()
    node.keep()
    node.wait("StartFunction")
    domain.wait_until_idle()
    time.sleep(QUIET)
    assert node.names().count("Reset") == 1 and len(node.running) == 1
    assert [(one["id"], one["node"]) for one in domain.status()["instances"]] == [(lid, node.id)]
