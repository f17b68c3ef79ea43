"""Nodes that come, change, go: sections 1.3 (rules 6, 8), 1.4, 1.5, 3.1, 3.2; X1, X2, X7; W1, W11, W20, W26."""
import math
import signal
import time
import uuid

import grpc
import edgeless_pb2 as pb
import pytest
from node import resource, spawn
from waiting import QUIET, eventually

GOOD = "http://127.0.0.1:7005"


def code(call, *arguments, **named):
    with pytest.raises(grpc.RpcError) as refusal:
        call(*arguments, **named)
    return refusal.value.code()


@pytest.mark.parametrize("changes", [
    {"node_id": ""}, {"node_id": "nonsense"}, {"node_id": str(uuid.uuid4())[:-1]},
    {"resource_providers": [pb.ResourceProviderSpecification(provider_id="", class_type="c")]},
    {"resource_providers": [pb.ResourceProviderSpecification(provider_id="p", class_type="")]},
], ids=["no id", "nonsense", "short", "provider without id", "provider without class"])
def test_a_malformed_registration_is_an_invalid_argument(shared, changes):  # X2
    assert code(shared.node().register, **changes) == grpc.StatusCode.INVALID_ARGUMENT


BAD_URLS = ["http://:7006", "", "nonsense", "127.0.0.1:7005", "http://127.0.0.1", "http://127.0.0.1:", "http://h:65536",
            "http://h:99999999999999999999", "http://h:-1", "http://h:x", "ftp://h:21", "HTTP://h:80", "://h:80", "http//h:80"]


@pytest.mark.parametrize("url", BAD_URLS)
@pytest.mark.parametrize("which", ["agent_url", "invocation_url"])
def test_an_invalid_url_gets_ok_with_an_error_and_changes_nothing(shared, which, url):  # X1
    node = shared.node()
    before = shared.controller.update_where(lambda update: update.capabilities.num_cpus == 1, "the shared node")
    error = node.register(**{which: url}).response_error
    assert error.summary == "invalid node configuration"
    assert error.detail
    assert node.names() == []
    assert node.id not in [one["id"] for one in shared.status()["nodes"]]
    assert shared.controller.latest().counter == before.counter


@pytest.mark.parametrize("url", ["http://10.1.2.3:7006/", "https://node.example:0", "http://[::1]:7006", "http://h:65535",
                                 "coap://10.0.0.1:5683"])
def test_good_urls_are_accepted(domain, url):
    assert not domain.node().register(invocation_url=url).HasField("response_error")


def test_an_invalid_url_of_a_known_node_changes_nothing(domain):
    node = domain.node().join()
    domain.client.start()
    assert node.register(agent_url="http://:1").response_error.summary == "invalid node configuration"
    domain.client.stop(domain.client.start())
    assert len(node.of("Reset")) == 1 and len(node.running) >= 1


def test_a_node_that_restarts_with_an_invalid_url_is_removed(domain):
    node, peer = domain.join(domain.node(), domain.node())
    peer.forget()
    node.nonce += 1
    assert node.register(agent_url="http://:1").response_error.summary == "invalid node configuration"
    time.sleep(2 * QUIET)
    assert [call.of for call in peer.of("Del")] == [node.id]


def test_a_registration_without_capabilities_health_and_samples_is_accepted(domain):
    node = domain.node()
    request = pb.UpdateNodeRequest(node_id=node.id.upper(), agent_url=node.agent_url, invocation_url=node.invocation_url,
                                   refresh_deadline=int(time.time()) + 60, nonce=0)
    assert not domain.registration.UpdateNode(request, timeout=20, wait_for_ready=True).HasField("response_error")
    node.wait("Reset")
    assert node.wait("Add")[0].of == node.id
    update = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "one node")
    assert not update.capabilities.runtimes and not update.capabilities.num_cpus


def test_a_joining_node_is_reset_first_and_then_all_know_all(domain):  # 1.5, X7
    first = domain.node()
    first.join()
    first.wait("Add")
    assert [call.what for call in first.calls[:2]] == ["Reset", "Add"]
    assert first.wait("Add")[0][1:] == (first.id, first.invocation_url)
    counter = domain.controller.latest().counter if domain.controller.latest() else -1
    second = domain.node().join()
    assert second.names()[0] == "Reset"
    second.wait("Add", 2)
    first.wait("Add", 2)
    assert {call[1:] for call in second.of("Add")} == {(n.id, n.invocation_url) for n in (first, second)}
    assert first.of("Add")[1][1:] == (second.id, second.invocation_url)
    assert len(first.of("Reset")) == 1
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2 and update.counter > counter, "two nodes")


def test_a_node_that_leaves_is_not_called_and_its_peers_are(domain):
    gone, stays = domain.join(domain.node(), domain.node())
    gone.forget()
    stays.forget()
    gone.leave()
    departed = stays.wait("Del")[0]
    assert (departed.of, departed.detail) == (gone.id, None)
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "one node less")
    assert gone.names() == []
    assert stays.names() == ["Del"]


def test_a_refresh_with_the_same_nonce_calls_nobody(domain):
    node = domain.node(providers=[("p", "rc-1")]).join()
    domain.wait_until_idle()
    counter = domain.controller.next(2).counter
    node.forget()
    for _ in range(10):
        node.register()
    assert domain.controller.next(2).counter == counter  # W27
    assert node.names() == []


def test_a_restarted_node_is_reset_once_and_its_functions_start_again(domain):  # W1
    node = domain.node().join()
    domain.client.start()
    node.forget()
    node.nonce += 1
    node.running.clear()
    node.keep(period=0.2)
    node.wait("StartFunction")
    time.sleep(QUIET)
    assert len(node.of("Reset")) == 1
    assert len(node.of("StartFunction")) == 1
    assert node.names().index("Reset") < node.names().index("StartFunction")


def test_the_peers_of_a_restarted_node_remove_and_add_it(domain):
    one, two = domain.join(domain.node(), domain.node())
    two.forget()
    one.nonce += 1
    one.register()
    two.wait("Add")
    assert [(call.what, call.of) for call in two.calls] == [("Del", one.id), ("Add", one.id)]


def test_of_two_processes_with_one_id_the_later_one_stays_and_the_other_is_refused(domain):  # W1
    node = domain.node().join()
    later = domain.node(node_id=node.id, nonce=node.nonce + 1)
    domain.client.start()
    for _ in range(10):
        assert not later.register().HasField("response_error")
        assert node.register().response_error.summary == "node id in use"
    domain.wait_until_idle()
    assert (len(node.of("Reset")), len(later.of("Reset"))) == (1, 1)
    started = len(node.of("StartFunction")), len(later.of("StartFunction"))
    domain.client.start()
    assert (len(node.of("StartFunction")), len(later.of("StartFunction"))) == (started[0], started[1] + 1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_of_two_processes_with_one_id_the_same_one_stays_after_a_restart_of_the_domain(domain, how):
    node = domain.node().join()
    later = domain.node(node_id=node.id, nonce=node.nonce + 1).join()
    lid = domain.client.start()
    domain.wait_until_idle()
    domain.end(how)
    domain.start()
    for _ in range(5):
        assert node.register().response_error.summary == "node id in use"
        assert not later.register().HasField("response_error")
    domain.wait_until_idle_except_unknown_outcomes()
    assert (len(node.of("Reset")), len(later.of("Reset"))) == (1, 1) and len(later.running) == 1
    assert [(one["id"], one["node"]) for one in domain.status()["instances"]] == [(lid, node.id)]


def test_changes_of_a_node_apply_immediately_without_a_reset(domain):  # W11
    node = domain.node(providers=[("p", "rc-1")]).join()
    domain.client.start()
    node.forget()
    node.capabilities.labels.append("new")
    node.capabilities.runtimes.append("CONTAINER")
    node.providers.append(pb.ResourceProviderSpecification(provider_id="q", class_type="rc-2"))
    node.register()
    domain.client.start(spawn(function_type="CONTAINER", annotations={"label_match_all": "new"}))
    domain.client.start(resource("rc-2"))
    update = domain.controller.update_where(lambda update: "rc-2" in update.capabilities.resource_classes, "the new class")
    assert set(update.capabilities.resource_providers) == {"p", "q"} and "new" in update.capabilities.labels
    del node.providers[0]
    node.register()
    domain.controller.update_where(lambda update: list(update.capabilities.resource_providers) == ["q"], "the provider is gone")
    assert "Reset" not in node.names() and "StopFunction" not in node.names()


def test_a_node_whose_agent_moves_is_called_at_its_new_address(domain):  # W11
    node = domain.node().join()
    lid = domain.client.start()
    moved = domain.node(node_id=node.id, nonce=node.nonce)
    moved.register()
    domain.client.stop(lid)
    moved.wait("StopFunction")
    assert "Reset" not in moved.names() and not node.of("StopFunction")


def test_peers_get_a_new_invocation_url(domain):  # W11
    node, peer = domain.join(domain.node(), domain.node())
    peer.forget()
    node.invocation_url = "http://127.0.0.1:9"
    node.register()
    eventually(lambda: (node.id, "http://127.0.0.1:9") in [call[1:] for call in peer.of("Add")], "the new address")


def test_a_provider_name_belongs_to_the_first_claimant_and_then_to_the_second(domain):  # W11, 3.2
    first = domain.node(providers=[("same", "file-log")]).join()
    second = domain.node(providers=[("same", "redis")]).join()
    update = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2, "two nodes")
    assert list(update.capabilities.resource_classes) == ["file-log"]
    assert domain.client.refused(resource("redis")).summary == "class type not found"
    first.leave()
    domain.controller.update_where(lambda update: list(update.capabilities.resource_classes) == ["redis"], "the second's claim")
    domain.client.start(resource("redis"))
    assert len(second.running) == 1


@pytest.mark.parametrize("skew", [-3600, 3600], ids=["an hour behind", "an hour ahead"])
def test_a_node_with_a_wrong_clock_stays_while_it_refreshes_and_leaves_when_it_does_not(make_domain, skew):  # W20
    domain = make_domain(settings={"general.lease_min_seconds": 2, "general.lease_max_seconds": 3})
    node = domain.node().join(lease=2 + skew)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        node.register(lease=2 + skew)
        time.sleep(0.2)
    assert len(node.of("Reset")) == 1
    assert domain.controller.next().capabilities.num_nodes == 1
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 0, "it leaves when its lease expires")


def test_a_huge_deadline_is_limited(make_domain):  # W20, W3
    domain = make_domain(settings={"general.lease_max_seconds": 2})
    node, stays = domain.node(), domain.node()
    node.register(deadline=2 ** 64 - 1)
    node.wait("Reset")
    stays.keep()
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2, "both nodes")
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "the silent one is gone after its lease")


@pytest.mark.parametrize("deadline", [0, 1, 2 ** 63, 2 ** 63 - 1, 2 ** 64 - 1])
def test_extreme_deadlines_do_no_harm(domain, deadline):
    node = domain.node()
    node.register(deadline=deadline)
    node.register(deadline=deadline, nonce=2 ** 64 - 1)
    assert domain.alive()


def test_a_silent_node_is_removed_after_its_lease(domain):
    node = domain.node()
    node.join(lease=2)
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 0 and update.counter > 1, "it is gone")


def test_a_node_receives_nothing_until_its_reset_succeeds(domain):
    node = domain.node()
    node.failing.add("Reset")
    assert not node.register().HasField("response_error")
    node.wait("Reset", 2)
    assert "StartFunction" not in node.names()
    node.failing.clear()
    domain.ready(node)
    domain.client.start()


def test_a_node_that_leaves_during_a_start_does_not_delay_the_answer(domain):
    gone, other = domain.join(domain.node(labels=["gone"]), domain.node())
    gone.hanging.add("StartFunction")
    future = domain.client.functions.Start.future(spawn(annotations={"label_match_all": "gone"}), timeout=30)
    gone.wait("StartFunction")
    gone.leave()
    assert future.result().HasField("response_error")
    other.wait("Del")


@pytest.mark.parametrize("frequency", [math.nan, math.inf, -math.inf, -1.0, 3.4e38])
def test_a_node_with_any_frequency_is_used(domain, frequency):  # W3, W10
    odd, sound = domain.join(domain.node(frequency=frequency, labels=["odd"]), domain.node(frequency=1.0))
    domain.client.start(spawn(annotations={"label_match_all": "odd"}))
    for _ in range(10):
        domain.client.start()
    assert odd.running and len(odd.running) + len(sound.running) == 11


def test_a_url_outside_the_allowed_hosts_is_refused(make_domain):  # W21
    domain = make_domain(settings={"general.agent_hosts": ["10.1.0.0/16", "127.0.0.1"]})
    assert not domain.node().register().HasField("response_error")
    for url in ("http://10.2.0.1:80", "http://169.254.169.254:80", "http://localhost:80", "http://127.0.0.1.example:80",
                "http://127.0.0.2:80", "http://user@127.0.0.1:80", "http://127.0.0.1@10.2.0.1:80"):
        assert domain.node().register(agent_url=url).response_error.summary == "invalid node configuration", url
    assert not domain.node().register(agent_url="http://10.1.255.1:80").HasField("response_error")


def test_more_nodes_than_the_limit_are_refused_and_the_others_work(make_domain):
    domain = make_domain(settings={"general.node_limit": 2})
    nodes = domain.join(domain.node(), domain.node())
    try:
        assert domain.node().register().HasField("response_error")
    except grpc.RpcError as refusal:
        assert refusal.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not nodes[0].register().HasField("response_error")
    domain.client.start()


def test_two_nodes_with_one_agent_url_are_logged(domain):
    first, second = domain.node().join(), domain.node()
    second.agent_url = f"http://127.0.0.1:{first.port}"
    second.register()
    eventually(lambda: any("same agent" in line and first.id in line and second.id in line
                           for line in domain.log().splitlines()), "the log names both")
