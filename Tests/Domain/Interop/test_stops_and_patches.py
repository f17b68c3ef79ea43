"""Stops and patches: sections 1.3 (rules 3, 4), 1.4, 1.5, 4.7, 4.8; O3; X3, X6; W9, W13, W14, W16."""
import time
import uuid

import grpc
import edgeless_pb2 as pb
import pytest
from node import resource, spawn
from waiting import DEADLINE, QUIET, eventually


def services(domain):
    return {"function": domain.client.functions, "resource": domain.client.resources}


def here(lid):
    return pb.InstanceIdVariant(domain_managed_instance_id=pb.DomainManagedInstanceId(instance_id=lid))


@pytest.mark.parametrize("kind", ["function", "resource"])
@pytest.mark.parametrize("identity", [
    pb.InstanceIdVariant(), here(""), here("nonsense"), here(str(uuid.uuid4())[:-1]),
    pb.InstanceIdVariant(instance_id=pb.InstanceId(node_id=str(uuid.uuid4()), function_id=str(uuid.uuid4()))),
], ids=["unset", "empty", "nonsense", "short", "physical"])
def test_a_stop_of_a_malformed_id_is_an_invalid_argument(shared, kind, identity):  # X3
    with pytest.raises(grpc.RpcError) as refusal:
        services(shared)[kind].Stop(identity, timeout=DEADLINE, wait_for_ready=True)
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", ["function", "resource"])
@pytest.mark.parametrize("identity", ["", "nonsense", "{}"])
def test_a_patch_of_a_malformed_id_is_an_invalid_argument(shared, kind, identity):
    with pytest.raises(grpc.RpcError) as refusal:
        services(shared)[kind].Patch(pb.PatchRequest(function_id=identity), timeout=DEADLINE, wait_for_ready=True)
    assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", ["function", "resource"])
def test_a_stop_and_a_patch_of_an_unknown_id_succeed(shared, kind):
    unknown = str(uuid.uuid4())
    shared.client.stop(unknown, kind)
    shared.client.patch(unknown, {"out": str(uuid.uuid4())}, kind)
    shared.client.patch(unknown, {}, kind)


def test_each_component_is_patched_through_the_service_of_its_kind(domain):  # O3
    node = domain.node(providers=[("p", "rc-1")]).join()
    function, sink = domain.client.start(), domain.client.start(resource())
    f, r = node.of("StartFunction")[0].of, node.of("StartResource")[0].of
    domain.client.patch(function, {"out-1": sink}, "function")
    domain.client.patch(sink, {"out-2": function}, "resource")
    assert node.wait("PatchFunction")[0][1:] == (f, {"out-1": (node.id, r)})
    assert node.wait("PatchResource")[0][1:] == (r, {"out-2": (node.id, f)})
    node.forget()
    domain.client.patch(sink, {"other": function}, "function")
    domain.client.patch(function, {"other": sink}, "resource")
    assert node.wait("PatchResource")[0][1:] == (r, {"other": (node.id, f)})
    assert node.wait("PatchFunction")[0][1:] == (f, {"other": (node.id, r)})


def test_malformed_targets_of_a_patch_are_dropped(domain):  # X6
    node = domain.node().join()
    one, two = domain.client.start(), domain.client.start()
    nil, target = str(uuid.UUID(int=0)), node.of("StartFunction")[1].of
    domain.client.functions.Patch(pb.PatchRequest(function_id=one.upper(), output_mapping={
        "good": pb.InstanceId(node_id=nil, function_id=two),
        "upper": pb.InstanceId(node_id="urn:uuid:" + str(uuid.uuid4()), function_id="{" + two.upper() + "}"),
        "bad function": pb.InstanceId(node_id=nil, function_id="nonsense"),
        "bad node": pb.InstanceId(node_id="nonsense", function_id=two),
        "empty": pb.InstanceId()}), timeout=DEADLINE)
    assert node.wait("PatchFunction")[0].detail == {"good": (node.id, target), "upper": (node.id, target)}


def test_channels_to_stopped_instances_are_omitted(domain):  # worked example of 4.8; W16
    node, far = domain.join(domain.node(labels=["near"]), domain.node(labels=["far"]))
    first = domain.client.start(spawn(annotations={"label_match_all": "near"}))
    second = domain.client.start(spawn(annotations={"label_match_all": "far"}))
    third = domain.client.start()
    domain.client.stop(third)
    domain.client.patch(first, {"out": second, "err": third})
    assert node.wait("PatchFunction")[-1].detail == {"out": (far.id, far.of("StartFunction")[0].of)}


def test_a_patch_replaces_the_wiring_and_an_empty_one_is_sent(domain):
    node = domain.node().join()
    one, two = domain.client.start(), domain.client.start()
    target = (node.id, node.of("StartFunction")[1].of)
    domain.client.patch(one, {"a": two})
    domain.client.patch(one, {"b": two})
    domain.client.patch(one, {})
    eventually(lambda: node.of("PatchFunction") and node.of("PatchFunction")[-1].detail == {}, "the empty patch")
    assert [call.detail for call in node.of("PatchFunction")][-1] == {}
    assert all(call.detail in ({"a": target}, {"b": target}, {}) for call in node.of("PatchFunction"))


def test_a_component_may_lead_to_itself(domain):
    node = domain.node().join()
    lid = domain.client.start()
    me = node.of("StartFunction")[0].of
    domain.client.patch(lid, {"again": lid})
    assert node.wait("PatchFunction")[0].detail == {"again": (node.id, me)}
    domain.client.stop(lid)
    node.wait("StopFunction")


def test_the_origin_of_a_stopped_component_is_patched_after_the_stop(domain):  # 1.5
    node = domain.node(providers=[("p", "rc-1")]).join()
    origin, keeper, target = domain.client.start(), domain.client.start(), domain.client.start(resource())
    kept = (node.id, node.of("StartFunction")[1].of)
    domain.client.patch(origin, {"x": target, "y": keeper})
    node.wait("PatchFunction")
    node.forget()
    domain.client.stop(target, "resource")
    node.wait("PatchFunction")
    assert node.names()[:2] == ["StopResource", "PatchFunction"]
    assert node.of("PatchFunction")[0].detail == {"y": kept}


@pytest.mark.parametrize("kind", ["function", "resource"])
def test_a_stop_through_the_wrong_service_stops_the_instance_as_its_own_kind(domain, kind):  # W13
    node = domain.node(providers=[("p", "rc-1")]).join()
    lid = domain.client.start(resource() if kind == "function" else spawn())
    domain.client.stop(lid, kind)
    node.wait("StopResource" if kind == "function" else "StopFunction")
    eventually(lambda: not node.running, "it is stopped")


@pytest.mark.parametrize("what", ["StopFunction", "PatchFunction"])
def test_a_failed_stop_or_patch_is_retried_until_it_succeeds(domain, what):  # W9
    node = domain.node().join()
    lid = domain.client.start()
    node.failing.add(what)
    (domain.client.stop if what == "StopFunction" else lambda lid: domain.client.patch(lid, {"me": lid}))(lid)
    node.wait(what, 2)
    node.failing.clear()
    seen = len(node.of(what))
    node.wait(what, seen + 1)
    domain.wait_until_idle()
    if what == "StopFunction":
        assert not node.running


def test_a_stop_while_the_node_is_away_is_carried_out_when_it_is_back(domain):  # W9
    node = domain.node(relayed=True).join()
    lid = domain.client.start()
    node.relay.refusing = True
    node.relay.cut()
    domain.client.stop(lid)
    time.sleep(0.5)
    assert node.running
    node.relay.refusing = False
    eventually(lambda: not node.running, "it is stopped when the node can be reached again")


def test_a_failed_peer_update_is_retried(domain):  # W9
    old = domain.node().join()
    old.failing.add("Add")
    new = domain.node().join()
    eventually(lambda: len([c for c in old.of("Add") if c.of == new.id]) >= 2, "it is said again")
    old.failing.clear()
    domain.wait_until_idle()


def test_stops_and_patches_are_acknowledged_before_the_node_answers(domain):  # 1.4
    node = domain.node().join()
    lid = domain.client.start()
    node.hanging |= {"StopFunction", "PatchFunction"}
    began = time.monotonic()
    domain.client.patch(lid, {"me": lid})
    domain.client.stop(lid)
    assert time.monotonic() - began < 8  # a call to the node may take ten
    node.released.set()
    node.hanging.clear()
    eventually(lambda: not node.running, "it is stopped in the end")


def test_wirings_of_unknown_instances_are_not_stored(make_domain, database):  # W14
    domain = make_domain(redis=database.url)
    node = domain.node().join()
    lid = domain.client.start()
    for _ in range(50):
        domain.client.patch(str(uuid.uuid4()), {"out": lid})
    domain.client.patch(lid, {"out": lid})
    database.value(f"dependency:{lid}")
    wirings = [key for key in database.redis.keys("dependency:*") if key != "dependency:last_update"]
    assert wirings == [f"dependency:{lid}"]
    domain.client.stop(lid)
    database.gone(f"dependency:{lid}")
    eventually(lambda: not node.running, "it is stopped")


def test_patches_to_started_and_stopped_targets_apply_in_order(domain):
    node = domain.node().join()
    one = domain.client.start()
    for _ in range(20):
        two = domain.client.start()
        domain.client.patch(one, {"out": two})
        where = (node.id, node.of("StartFunction")[-1].of)
        eventually(lambda: node.of("PatchFunction")[-1:] and node.of("PatchFunction")[-1].detail == {"out": where}, "patched")
        domain.client.stop(two)
    eventually(lambda: node.of("PatchFunction")[-1].detail == {}, "the last patch has no channel")
    domain.client.stop(one)
    node.forget()
    time.sleep(QUIET)
    assert "PatchFunction" not in node.names()


def test_a_slow_node_receives_many_patches_as_a_few(domain):  # W14
    node = domain.node().join()
    lid = domain.client.start()
    node.delay = 0.5
    for number in range(40):
        domain.client.patch(lid, {f"out-{number}": lid})
    last = eventually(lambda: [call for call in node.of("PatchFunction") if list(call.detail) == ["out-39"]], "the last")
    assert len(node.of("PatchFunction")) < 10 and last
    domain.wait_until_idle()
