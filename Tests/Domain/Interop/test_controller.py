"""Updates of the controller, and its resets: sections 3.3, 4.12, 6.2; O7, S1, S2; W18, W19, W27."""
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import edgeless_pb2 as pb
from controller import NIL, Controller
from node import resource, spawn
from waiting import QUIET, eventually


def workflow(domain, sink=None):
    """Deploys f1 → f2 (→ a resource) as a controller does: Starts in order, then patches."""
    name = str(uuid.uuid4())
    lids = [domain.client.start(spawn(id=f"f{i}", workflow_id=name)) for i in (1, 2)]
    kinds = ["function", "function"]
    if sink:
        lids.append(domain.client.start(resource(sink, workflow_id=name)))
        kinds.append("resource")
    for one, other in zip(lids, lids[1:]):
        domain.client.patch(one, {"out": other}, node_id=NIL)
    return list(zip(lids, kinds))


def test_an_empty_domain_sends_an_update_at_once_and_then_regularly(domain):
    first = domain.controller.update_where(lambda update: True, "an update")
    assert first.domain_id == "domain-7000"
    assert first.orchestrator_url == f"http://127.0.0.1:{domain.orchestrator}"
    assert first.capabilities == pb.DomainCapabilities()
    assert first.HasField("capabilities")
    later = domain.controller.next(2)
    assert (later.nonce, later.counter) == (first.nonce, first.counter)
    assert later.refresh_deadline > first.refresh_deadline
    assert 0 < later.refresh_deadline - time.time() <= 2


def test_the_deadline_is_two_intervals_from_now(make_domain):
    seen = []
    controller = Controller()
    controller.hook = lambda update: seen.append(update.refresh_deadline - time.time())
    make_domain(controller=controller, interval=30)
    eventually(lambda: seen, "the first update")
    assert 30 < seen[0] <= 60


def test_capabilities_are_summed_as_in_the_worked_example(domain):  # 3.3
    one = domain.node(cpus=4, cores=2, mem_size=1000, labels=["red"], is_tee_running=True,
                      providers=[("a", "file-log")]).join()
    domain.node(cpus=2, cores=2, mem_size=500, labels=["red", "blue"], runtimes=["CONTAINER"],
                providers=[("a", "redis"), ("b", "redis")]).join()
    got = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2, "two nodes").capabilities
    assert (got.num_cpus, got.num_cores, got.mem_size, got.num_tee, got.num_tpm) == (6, 4, 1500, 1, 0)
    for field, wanted in (("labels", ["blue", "red"]), ("runtimes", ["CONTAINER", "RUST_WASM"]),
                          ("resource_providers", ["a", "b"]), ("resource_classes", ["file-log", "redis"])):
        assert sorted(getattr(got, field)) == wanted
    one.leave()
    got = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "one node").capabilities
    assert (got.num_cpus, got.num_tee) == (2, 0)


def test_sums_of_capabilities_saturate(domain):
    most = 2 ** 32 - 1
    sizes = dict(mem_size=most, disk_tot_space=most, num_gpus=most, mem_size_gpu=most)
    domain.join(*[domain.node(cpus=most, cores=most, **sizes) for _ in range(2)])
    got = domain.controller.update_where(lambda update: update.capabilities.num_nodes == 2, "two nodes").capabilities
    assert {got.num_cpus, got.num_cores, got.mem_size, got.disk_tot_space, got.num_gpus, got.mem_size_gpu} == {most}
    domain.client.start()


def test_the_counter_rises_with_the_capabilities_only(domain):  # W27
    start = domain.controller.next().counter
    node = domain.node().join()
    joined = domain.controller.update_where(lambda update: update.capabilities.num_cpus == 1, "the node").counter
    assert joined > start
    domain.client.stop(domain.client.start())
    node.register()
    assert domain.controller.next(2).counter == joined
    node.leave()
    assert domain.controller.update_where(lambda update: update.capabilities.num_nodes == 0, "no node").counter > joined


def test_a_reset_stops_all_functions_and_then_all_resources_and_resets_no_node(domain):  # O7
    nodes = domain.join(*[domain.node(providers=[(f"p{i}", "rc-1")]) for i in range(3)])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: workflow(domain, "rc-1"), range(100)))
    domain.wait_until_idle()
    for node in nodes:
        node.forget()
    domain.controller.forget()
    eventually(lambda: not any(node.running for node in nodes), "all is stopped")
    domain.wait_until_idle()
    count = lambda *whats: sum(len(node.of(*whats)) for node in nodes)
    assert (count("StopFunction"), count("StopResource"), count("Reset")) == (200, 100, 0)
    # A Patch of a function that is stopped too is not needed, and not made if it has to wait.
    assert count("PatchFunction", "PatchResource") <= 100
    for node in nodes:
        stops = [name for name in node.names() if name.startswith("Stop")]
        assert stops == sorted(stops), "functions first"
    total = sum(len(node.calls) for node in nodes)
    time.sleep(QUIET)
    assert sum(len(node.calls) for node in nodes) == total
    assert domain.status()["instances"] == []
    domain.client.start()


def test_a_reset_does_not_stop_instances_started_after_its_update(domain):  # W19
    node = domain.node().join()
    domain.client.start(spawn(id="old"))
    started = []

    def hook(update):
        if not started:
            started.append(domain.client.start(spawn(id="new")))
    with domain.controller.lock:
        domain.controller.answers.append(pb.UpdateDomainResponse(reset=True))
    domain.controller.hook = hook
    eventually(lambda: [r.code.id for _, r in node.running.values()] == ["new"], "only what came later runs")
    domain.controller.hook = lambda update: None
    domain.controller.next(2)
    assert len(node.of("StopFunction")) == 1
    domain.client.stop(started[0])
    eventually(lambda: not node.running, "its id is known")


def test_errors_and_silence_of_the_controller_change_nothing(make_domain):
    domain = make_domain()
    domain.node().join()
    lid = domain.client.start()
    with domain.controller.lock:
        domain.controller.answers += [
            pb.UpdateDomainResponse(response_error=pb.ResponseError(summary="no"), reset=True),  # 1.3, rule 7
            grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE]
    domain.controller.next(4)
    assert [one["id"] for one in domain.status()["instances"]] == [lid]


def test_an_update_that_hangs_is_abandoned_and_repeated(make_domain):
    domain = make_domain()
    domain.controller.next()
    hung = []

    def hook(update):
        if not hung:
            hung.append(update)
            time.sleep(25)
    domain.controller.hook = hook
    eventually(lambda: hung, "the update that hangs")
    seen = len(domain.controller.updates)
    domain.node().join()
    domain.client.start()
    eventually(lambda: len(domain.controller.updates) > seen, "it is asked again")


def test_a_controller_that_starts_later_is_found(make_domain):
    controller = Controller()
    port = controller.port
    controller.close()
    time.sleep(0.3)
    domain = make_domain(controller=controller)
    domain.node().join()
    domain.client.start()
    late = Controller.__new__(Controller)
    Controller.__init__(late)
    # The same address, as after a restart of the controller.
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    import edgeless_pb2_grpc as rpc
    rpc.add_DomainRegistrationServicer_to_server(late, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    domain.closing(late.close)
    domain.closing(lambda: server.stop(0))
    assert bound == port
    server.start()
    late.update_where(lambda update: update.capabilities.num_nodes == 1, "an update")


def test_ten_workflows_are_deployed_and_torn_down(domain):  # S1
    node = domain.node().join()
    flows = [workflow(domain) for _ in range(10)]
    assert len({lid for flow in flows for lid, _ in flow}) == 20
    eventually(lambda: len(domain.status()["instances"]) == 20, "twenty instances")
    for flow in flows:
        for lid, kind in flow:
            domain.client.stop(lid, kind)
    eventually(lambda: not node.running, "nothing runs")
    domain.client.stop(str(uuid.uuid4()))
    domain.wait_until_idle()


def test_three_domains_under_one_controller_survive_the_loss_of_one(make_domain):  # S2
    controller = Controller(knows=False)
    domains = [make_domain(controller=controller, domain_id=f"domain-{i}") for i in range(3)]
    for one in domains:
        one.worker = one.node().join()

    def alive():
        now = time.time()
        return {name for name, update in dict(controller.domains).items()
                if update.refresh_deadline >= now and "RUST_WASM" in update.capabilities.runtimes}
    eventually(lambda: len(alive()) == 3, "three domains can be used")
    assert len({update.nonce for update in controller.domains.values()}) == 3
    for one in domains:
        one.client.start()
    domains[1].kill()
    eventually(lambda: alive() == {"domain-0", "domain-2"}, "the dead domain passes its deadline")


def test_a_cordoned_node_only_counts_as_a_node(make_domain, database):  # W18
    domain = make_domain(redis=database.url)
    node = domain.node(labels=["red"], providers=[("p", "rc-1")]).join()
    domain.controller.update_where(lambda update: update.capabilities.num_cpus == 1, "the node")
    assert database.cordon(node.id)["status"] == "done"
    got = domain.controller.update_where(lambda update: not update.capabilities.runtimes, "no runtime").capabilities
    assert got.num_nodes == 1 and not got.resource_classes
    assert database.cordon(node.id, "no")["status"] == "done"
    domain.controller.update_where(lambda update: update.capabilities.runtimes and update.capabilities.resource_classes, "all again")


def test_an_empty_announced_url_becomes_the_hosts_address(make_domain):  # A1
    domain = make_domain(settings={"general.orchestrator_url_announced": ""})
    url = domain.controller.update_where(lambda update: True, "an update").orchestrator_url
    assert url.startswith("http://") and url.endswith(f":{domain.orchestrator}") and "//:" not in url


def test_the_announced_url_is_sent_verbatim(make_domain):  # A1
    domain = make_domain(settings={"general.orchestrator_url_announced": "http://orc.example:17003"})
    assert domain.controller.update_where(lambda update: True, "an update").orchestrator_url == "http://orc.example:17003"


def test_a_start_in_flight_during_a_reset_only_runs_if_it_was_granted(domain):  # W19
    node = domain.node().join()
    node.hanging.add("StartFunction")
    future = domain.client.functions.Start.future(spawn(), timeout=60)
    node.wait("StartFunction")
    domain.controller.forget()
    domain.controller.next(3)
    node.hanging.clear()
    node.released.set()
    answer = future.result()
    domain.wait_until_idle()
    shown = [one["id"] for one in domain.status()["instances"]]
    assert len(node.running) == len(shown)
    if shown:
        assert answer.instance_id.domain_managed_instance_id.instance_id == shown[0]
