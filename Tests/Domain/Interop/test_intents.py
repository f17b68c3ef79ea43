"""Intents of an operator: sections 4.11, 5.4; O5, O6, S3, S4, S5, X13; W3, W15, W18."""
import json
import time
import uuid

import pytest
from node import resource, spawn
from waiting import QUIET, eventually


@pytest.fixture
def domain(make_domain, database):
    one = make_domain(redis=database.url)
    one.database = database
    return one


def placed(domain, lid):
    from mirror import physical
    value = json.loads(domain.database.value(f"instance:{lid}"))
    (second,) = [v[1] for v in value.values()]
    return physical(second[0] if isinstance(second, list) else second)


def test_a_migration_is_one_stop_one_start_and_three_patches(domain):  # O5
    old, new = domain.join(domain.node(labels=["old"]), domain.node())
    f = [domain.client.start(spawn(id=f"f{i}", annotations={"node_id_match_any": f"{old.id}"} if i != 1 else
                                   {"node_id_match_any": f"{old.id},{new.id}"})) for i in range(3)]
    if new.running:  # f1 was drawn to the other node
        assert domain.database.migrate(f[1], old.id)["status"] == "done"
    domain.client.patch(f[0], {"a": f[1]})
    domain.client.patch(f[1], {"b": f[0], "c": f[2]})
    domain.client.patch(f[2], {"d": f[1]})
    domain.wait_until_idle()
    was = placed(domain, f[1])
    ids = [placed(domain, lid)[1] for lid in f]
    old.forget()
    new.forget()
    assert domain.database.migrate(f[1], new.id)["status"] == "done"
    domain.wait_until_idle()
    time.sleep(QUIET)
    start = new.of("StartFunction")[0]
    assert start.detail.code.id == "f1"
    assert sorted(old.names() + new.names()) == ["PatchFunction"] * 3 + ["StartFunction", "StopFunction"]
    assert old.names()[0] == "StopFunction" and old.of("StopFunction")[0].of == was[1]
    assert {call.of: call.detail for call in old.of("PatchFunction")} == {
        ids[0]: {"a": (new.id, start.of)}, ids[2]: {"d": (new.id, start.of)}}
    assert new.of("PatchFunction")[0][1:] == (start.of, {"b": (old.id, ids[0]), "c": (old.id, ids[2])})
    eventually(lambda: placed(domain, f[1]) == (new.id, start.of), "the mirror shows it")


def test_a_resource_migrates_like_a_function_with_resource_patches(domain):  # O6
    old, new = domain.join(domain.node(providers=[("p", "rc-1")]), domain.node(providers=[("q", "rc-2")]))
    r = [domain.client.start(resource("rc-1")) for _ in range(3)]
    for one, wiring in ((0, {"a": r[1]}), (1, {"b": r[0], "c": r[2]}), (2, {"d": r[1]})):
        domain.client.patch(r[one], wiring, "function")
    import edgeless_pb2 as pb
    new.providers.append(pb.ResourceProviderSpecification(provider_id="p2", class_type="rc-1"))
    new.register()
    domain.controller.update_where(lambda update: "p2" in update.capabilities.resource_providers, "the second provider")
    domain.wait_until_idle()
    old.forget()
    new.forget()
    assert domain.database.migrate(r[1], new.id)["status"] == "done"
    domain.wait_until_idle()
    time.sleep(QUIET)
    assert sorted(old.names() + new.names()) == ["PatchResource"] * 3 + ["StartResource", "StopResource"]
    assert placed(domain, r[1])[0] == new.id


def test_a_workflow_migrates_by_intents_and_each_function_has_one_node(domain):  # S3
    one, two = domain.join(domain.node(), domain.node(providers=[("p", "file-log")]))
    f = [domain.client.start() for _ in range(3)]
    sink = domain.client.start(resource("file-log"))
    for origin, wiring in ((f[0], {"x": f[1], "y": f[2]}), (f[1], {"x": sink}), (f[2], {"x": sink})):
        domain.client.patch(origin, wiring)
    for lid in f:
        here = placed(domain, lid)[0]
        there = two.id if here == one.id else one.id
        assert domain.database.migrate(lid, there)["status"] == "done"
        eventually(lambda: placed(domain, lid)[0] == there, "the mirror shows the move")
    assert len(one.running) + len(two.running) == 4
    assert domain.database.redis.llen("intents") == 0


def test_a_cordoned_node_takes_no_resources_until_it_is_uncordoned(domain):  # S4
    node, _ = domain.join(domain.node(providers=[("p", "rc-1")]), domain.node())
    lids = [domain.client.start(resource()) for _ in range(10)]
    assert domain.database.cordon(node.id)["status"] == "done"
    for _ in range(10):
        assert domain.client.refused(resource()).summary == "class type not found"
    assert len(node.running) == 10
    assert domain.database.cordon(node.id, "no")["status"] == "done"
    lids += [domain.client.start(resource()) for _ in range(10)]
    assert len(node.running) == 20


def test_a_cordon_survives_restarts_of_the_node_and_the_domain(domain):  # W18
    node, other = domain.join(domain.node(labels=["one"]), domain.node(labels=["two"]))
    assert domain.database.cordon(node.id)["status"] == "done"
    wanted = spawn(annotations={"label_match_all": "one"})
    node.nonce += 1
    node.join()
    domain.client.refused(wanted)
    domain.kill()
    domain.start()
    node.register()
    other.register()
    domain.client.refused(wanted)
    assert json.loads(domain.database.value(f"node:status:{node.id}"))["cordoned"] is True
    assert domain.database.cordon(node.id, "no")["status"] == "done"
    domain.client.start(wanted)


def test_cordoning_moves_nothing_and_keeps_lost_instances_away(domain):
    one, two = domain.join(domain.node(), domain.node())
    lids = [domain.client.start(spawn(annotations={"node_id_match_any": f"{one.id}, {two.id}"})) for _ in range(8)]
    assert one.running and two.running
    assert domain.database.cordon(two.id)["status"] == "done"
    time.sleep(QUIET)
    assert not one.of("StopFunction") and not two.of("StopFunction")
    kept = len(two.running)
    assert domain.database.migrate([lid for lid in lids if placed(domain, lid)[0] == one.id][0], two.id)["status"] == "declined"
    one.leave()
    eventually(lambda: sum(i["node"] is None for i in domain.status()["instances"]) == 8 - kept, "the others wait")
    assert len(two.running) == kept


@pytest.mark.parametrize("targets", ["unknown", "same", "infeasible"])
@pytest.mark.parametrize("kind", ["function", "resource"])
def test_an_impossible_migration_is_declined_and_changes_nothing(domain, kind, targets):  # W3
    here = domain.node(labels=["here"], providers=[("p", "rc-1")])
    there = domain.node(runtimes=["CONTAINER"])
    domain.join(here, there)
    lid = domain.client.start(spawn() if kind == "function" else resource())
    here.forget()
    target = {"unknown": str(uuid.uuid4()), "same": here.id, "infeasible": there.id}[targets]
    outcome = domain.database.migrate(lid, target)
    assert outcome["status"] == "declined" and len(outcome) >= 3, outcome
    time.sleep(QUIET)
    assert here.names() == [] and len(here.running) == 1 and domain.alive()


def test_a_migration_of_an_unknown_instance_is_declined(domain):
    node = domain.node().join()
    assert domain.database.migrate(str(uuid.uuid4()), node.id)["status"] == "declined"


def test_the_first_feasible_target_is_chosen(domain):
    a, b, c = domain.join(domain.node(labels=["x"]), domain.node(runtimes=["NONE"]), domain.node(labels=["y"]))
    lid = domain.client.start(spawn(annotations={"node_id_match_any": f"{a.id},{c.id}"}))
    target = c if a.running else a
    assert domain.database.migrate(lid, str(uuid.uuid4()), b.id.upper(), target.id)["status"] == "done"
    eventually(lambda: placed(domain, lid)[0] == target.id, "it is there")


def test_a_migration_that_its_target_refuses_leaves_the_instance_running(domain):  # W15
    old = domain.node(labels=["old"], providers=[("p", "rc-1")]).join()
    lids = [(domain.client.start(), "function"), (domain.client.start(resource()), "resource")]
    new = domain.node(providers=[("q", "rc-1")]).join()
    new.refusals = 1000
    for lid, _ in lids:
        outcome = domain.database.migrate(lid, new.id)
        assert outcome["status"] == "declined", outcome
    domain.wait_until_idle()
    assert len(old.running) == 2 and not new.running
    assert placed(domain, lids[0][0])[0] == old.id


def test_make_before_break_starts_the_new_instance_first(make_domain, database):  # W15
    domain = make_domain(redis=database.url, settings={"baseline.make_before_break": True})
    domain.database = database
    seen = []
    old = domain.node().join()
    lid = domain.client.start()
    new = domain.node().join()
    new.after = lambda what: seen.append((what, len(old.running)))
    assert database.migrate(lid, new.id)["status"] == "done"
    eventually(lambda: not old.running and len(new.running) == 1, "it moved")
    assert seen == [("StartFunction", 1)]


def test_an_instance_leaves_a_node_that_no_longer_fits_after_a_failed_migration(make_domain, database):  # W11
    domain = make_domain(redis=database.url, settings={"baseline.make_before_break": True})
    here = domain.node(labels=["red"]).join()
    lid = domain.client.start(spawn(annotations={"label_match_all": "red"}))
    target, other = domain.join(domain.node(labels=["red"]), domain.node(labels=["red"]))
    target.delay, target.refusals = 1.5, 1
    database.intend(f"intent:migrate:{lid}", target.id)
    target.wait("StartFunction")
    del here.capabilities.labels[:]
    here.register()
    assert database.outcome(f"intent:migrate:{lid}")["status"] == "declined"
    eventually(lambda: not here.running and len(target.running) + len(other.running) == 1, "it runs where it fits")


def test_without_make_before_break_the_old_instance_is_stopped_first(domain):  # 1.5
    seen = []
    old = domain.node().join()
    old.delay = 0.2
    lid = domain.client.start()
    new = domain.node().join()
    new.after = lambda what: seen.append((what, len(old.running)))
    assert domain.database.migrate(lid, new.id)["status"] == "done"
    assert seen == [("StartFunction", 0)]


def test_only_intent_keys_are_touched_and_invalid_intents_do_not_block_valid_ones(domain):  # X13, W15
    node, other = domain.join(domain.node(), domain.node())
    r = domain.database.redis
    r.set("precious", "value")
    r.set("intent:unknown:x", "value")
    r.set("intent:cordon:nonsense", "yes")
    r.set(f"intent:cordon:{other.id}", "maybe")
    r.set(f"intent:cordon:{node.id}", "yes")
    r.rpush("aList", "a")
    lid = domain.client.start()
    r.set(f"intent:migrate:{lid}", f"{node.id},nonsense")
    r.rpush("intents", "precious", "aList", "intent:unknown:x", "intent:cordon:nonsense", f"intent:cordon:{other.id}",
            f"domain_info:domain_id", "", "::", "intent:cordon:" + "x" * 100_000, f"intent:migrate:{lid}",
            f"intent:cordon:{node.id}:more", f"instance:{lid}", b"\xff\xfe", f"intent:cordon:{node.id}")
    assert domain.database.outcome(f"intent:cordon:{node.id}")["status"] == "done"
    assert r.llen("intents") == 0
    assert r.get("precious") == "value" and r.get("intent:unknown:x") == "value" and r.lrange("aList", 0, -1) == ["a"]
    assert r.get("domain_info:domain_id") == "domain-7000" and r.exists(f"instance:{lid}")
    assert not r.exists(f"intent:cordon:{node.id}") and not r.exists(f"intent:cordon:{other.id}")
    assert domain.alive()
    assert any("maybe" in line or other.id in line for line in domain.log().splitlines() if "WARNING" in line)
    assert json.loads(domain.database.value(f"node:status:{other.id}"))["cordoned"] is False


def test_an_intent_without_a_string_value_is_dropped(domain):
    node = domain.node().join()
    r = domain.database.redis
    gone, odd = str(uuid.uuid4()), str(uuid.uuid4())
    r.rpush(f"intent:cordon:{odd}", "a", "b")
    r.rpush("intents", f"intent:cordon:{gone}", f"intent:cordon:{odd}", f"intent:migrate:{gone}")
    r.set(f"intent:cordon:{node.id}", "yes")
    r.rpush("intents", f"intent:cordon:{node.id}")
    assert domain.database.outcome(f"intent:cordon:{node.id}")["status"] == "done"


def test_a_key_that_is_pushed_twice_runs_once(domain):
    node = domain.node().join()
    r = domain.database.redis
    pipe = r.pipeline()
    pipe.set(f"intent:cordon:{node.id}", "no")
    pipe.rpush("intents", f"intent:cordon:{node.id}")
    pipe.set(f"intent:cordon:{node.id}", "yes")
    pipe.lpush("intents", f"intent:cordon:{node.id}")
    pipe.execute()
    assert domain.database.outcome(f"intent:cordon:{node.id}")["status"] == "done"
    assert json.loads(domain.database.value(f"node:status:{node.id}", lambda v: v and json.loads(v)["cordoned"]))["cordoned"]
    assert r.llen("intents") == 0


def test_an_intent_list_of_the_wrong_type_does_no_harm(domain):
    node = domain.node().join()
    domain.database.redis.set("intents", "not a list")
    time.sleep(QUIET)
    domain.client.start()
    domain.database.redis.delete("intents")
    assert domain.database.cordon(node.id)["status"] == "done"


def test_ten_thousand_intents_are_taken(domain):
    node = domain.node().join()
    pipe = domain.database.redis.pipeline(transaction=False)
    for _ in range(10_000):
        key = f"intent:cordon:{uuid.uuid4()}"
        pipe.set(key, "yes")
        pipe.rpush("intents", key)
    pipe.execute()
    domain.client.start()
    assert domain.database.cordon(node.id)["status"] == "done"
    domain.client.refused(spawn())


def test_a_result_is_kept_for_a_day_and_no_longer(domain):
    node = domain.node().join()
    domain.database.cordon(node.id)
    assert 0 < domain.database.redis.ttl(f"intent:result:cordon:{node.id}") <= 86400


def test_portal_resources_use_the_provider_named_after_their_domain(domain):  # S5
    portal = domain.node(providers=[(f"portal-domain-{i}", "portal", "out") for i in range(3)]).join()
    lids = [domain.client.start(resource("portal", domain="portal", domain_name=f"domain-{i}")) for i in range(3)]
    assert len(portal.running) == 3
    for lid in lids:
        domain.client.stop(lid, "resource")
    eventually(lambda: not portal.running, "all are stopped")
