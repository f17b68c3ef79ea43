"""The mirror in Redis: sections 5.1, 5.2, 5.3, 5.5, 5.6, 5.7; R1–R5, A3, X9–X12; W2, W6, W14, W16, W23, W24, W26."""
import csv
import json
import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import edgeless_pb2 as pb
import pytest
from mirror import Server, physical
from node import resource, spawn
from waiting import QUIET, eventually

HEALTH = ("mem_free mem_used mem_available proc_cpu_usage proc_memory proc_vmemory load_avg_1 load_avg_5 load_avg_15 "
          "tot_rx_bytes tot_rx_pkts tot_rx_errs tot_tx_bytes tot_tx_pkts tot_tx_errs disk_free_space disk_tot_reads "
          "disk_tot_writes gpu_load_perc gpu_temp_cels active_power").split()
HEALTH_TEXT = ('{"mem_free":1,"mem_used":2,"mem_available":3,"proc_cpu_usage":4,"proc_memory":5,"proc_vmemory":6,'
               '"load_avg_1":7,"load_avg_5":8,"load_avg_15":9,"tot_rx_bytes":10,"tot_rx_pkts":11,"tot_rx_errs":12,'
               '"tot_tx_bytes":13,"tot_tx_pkts":14,"tot_tx_errs":15,"disk_free_space":16,"disk_tot_reads":17,'
               '"disk_tot_writes":18,"gpu_load_perc":-1,"gpu_temp_cels":-1000,"active_power":-1}')
METRICS = ["instantiate", "init", "execution", "stop", "transfer"]


def healthy(**changes):
    values = {name: n + 1 for n, name in enumerate(HEALTH)}
    values.update(gpu_load_perc=-1, gpu_temp_cels=-1000, active_power=-1)
    values.update(changes)
    return pb.NodeHealthStatus(**values)


def samples(component, *figures, metric="execution", logs=()):
    """`figures`: (seconds, nanoseconds, value); `logs`: (seconds, nanoseconds, target, message)."""
    answer = pb.NodePerformanceSamples()
    if figures:
        getattr(answer, f"function_{metric}_times").add(
            id=component, samples=[pb.Sample(timestamp_sec=s, timestamp_ns=n, sample=v) for s, n, v in figures])
    if logs:
        answer.function_log_entries.add(id=component, entries=[
            pb.FunctionLogEntry(timestamp_sec=s, timestamp_ns=n, target=t, msg=m) for s, n, t, m in logs])
    return answer


@pytest.fixture
def domain(make_domain, database):
    one = make_domain(redis=database.url)
    one.database, one.redis = database, database.redis
    return one


def series(domain, key, count):
    return eventually(lambda: (lambda got: got if len(got) >= count else None)(
        domain.redis.zrange(key, 0, -1, withscores=True)), f"{count} in {key}, keys {sorted(domain.redis.keys())}")


def test_a_fresh_domain_shows_its_name_and_no_components(domain):  # R1, R5
    assert domain.database.value("domain_info:domain_id") == "domain-7000"
    assert not [key for key in domain.redis.keys() if not key.endswith("last_update") and key != "domain_info:domain_id"]


def test_capabilities_have_the_exact_form(domain):  # R3, 5.2
    node = domain.node(cpus=8, cores=4, frequency=2400.0, labels=["hostname=n3", "red"], model_name_cpu="X1",
                       mem_size=15900, disk_tot_space=51200).join()
    wanted = ('{"num_cpus":8,"model_name_cpu":"X1","clock_freq_cpu":2400.0,"num_cores":4,"mem_size":15900,'
              '"labels":["hostname=n3","red"],"is_tee_running":false,"has_tpm":false,"runtimes":["RUST_WASM"],'
              '"disk_tot_space":51200,"num_gpus":0,"model_name_gpu":"","mem_size_gpu":0}')
    assert domain.database.value(f"node:capabilities:{node.id}") == wanted
    assert domain.database.value(f"nodes:capabilities:{node.id}") == wanted
    assert float(domain.database.value("node:capabilities:last_update")) <= time.time()
    status = json.loads(domain.database.value(f"node:status:{node.id}"))
    assert (status["agent_url"], status["cordoned"], status["ready"]) == (node.agent_url, False, True)
    node.leave()
    for key in (f"node:capabilities:{node.id}", f"nodes:capabilities:{node.id}", f"node:status:{node.id}"):
        domain.database.gone(key)


@pytest.mark.parametrize("frequency,text", [
    (float("nan"), None), (float("inf"), None), (0.1, "0.1"), (2399.998, "2399.998"), (1e10, "10000000000.0"), (0.0, "0.0")])
def test_frequencies_are_32_bit_numbers_with_a_decimal_point(domain, frequency, text):
    node = domain.node(frequency=frequency).join()
    value = domain.database.value(f"node:capabilities:{node.id}")
    shown = value.split('"clock_freq_cpu":')[1].split(",")[0]
    if text is None:
        json.loads(value)
        assert shown != "null" and float(shown) == float(shown) and abs(float(shown)) < float("inf")
    else:
        assert shown == text


def test_strings_are_escaped_as_json(domain):
    odd = ['a"b\\c/d', "tab\there", "null\0byte", "line\nend", "ü€😀", "\x7f\u2028", "hostname=x"]
    node = domain.node(labels=odd, model_name_cpu='"\\').join()
    value = json.loads(domain.database.value(f"node:capabilities:{node.id}"))
    assert value["labels"] == odd and value["model_name_cpu"] == '"\\'


def test_health_is_a_sorted_set_by_time_of_arrival(domain):
    node = domain.node().join()
    before = time.time()
    node.register(health_status=healthy())
    node.register(health_status=healthy(mem_free=100))
    got = [one for one in series(domain, f"node:health:{node.id}", 2) if '"mem_used":2' in one[0]]
    assert [one[0] for one in got] == [HEALTH_TEXT, HEALTH_TEXT.replace(":1,", ":100,", 1)]
    assert all(before - 1 <= one[1] <= time.time() + 1 for one in got) and got[0][1] <= got[1][1]
    node.leave()
    domain.database.gone(f"node:health:{node.id}")


def test_health_of_the_first_registration_is_mirrored(domain):  # W26
    node = domain.node()
    node.register(health_status=healthy())
    series(domain, f"node:health:{node.id}", 1)
    node.nonce += 1
    node.register(health_status=healthy(mem_free=77))
    time.sleep(QUIET)
    assert any('"mem_free":77' in one[0] for one in series(domain, f"node:health:{node.id}", 1))


def test_the_largest_health_values_are_complete(domain):
    node = domain.node().join()
    node.register(health_status=healthy(tot_rx_bytes=2 ** 63 - 1, disk_free_space=-2 ** 63, mem_free=-2 ** 31))
    got = [one for one in series(domain, f"node:health:{node.id}", 2) if "9223372036854775807" in one[0]]
    assert json.loads(got[0][0])["disk_free_space"] == -2 ** 63


def test_providers_have_the_exact_form_and_leave_with_their_node(domain):  # R2
    node = domain.node(providers=[("n3-http-ingress-1", "http-ingress", "new_request")]).join()
    assert domain.database.value("provider:n3-http-ingress-1") == (
        '{"class_type":"http-ingress","node_id":"%s","outputs":["new_request"]}' % node.id)
    stamp = domain.database.value("provider:last_update")
    node.leave()
    domain.database.gone("provider:n3-http-ingress-1")
    assert domain.redis.get("provider:last_update") != stamp


def test_instances_have_the_exact_form(domain):
    node = domain.node(providers=[("p", "file-log")]).join()
    state, flow = str(uuid.uuid4()), str(uuid.uuid4())
    f = domain.client.start(spawn(annotations={"init-payload": "8"}, state_id=state.upper(), workflow_id=flow))
    c = domain.client.start(spawn(binary=b"", code="x", policy=pb.GLOBAL, outputs=[]))
    r = domain.client.start(resource("file-log", flow, filename="a.log"))
    physical_id, resource_id = node.of("StartFunction")[0].of, node.of("StartResource")[0].of
    assert domain.database.value(f"instance:{f}") == (
        '{"Function":[{"spec":{"id":"doubler","function_type":"RUST_WASM","version":"0.1","binary":null,"code":null,'
        '"outputs":["out"]},"annotations":{"init-payload":"8"},"state_specification":{"state_id":"%s",'
        '"state_policy":"NodeLocal"},"workflow_id":"%s"},["InstanceId(node_id: %s, function_id: %s)"]]}'
        % (state, flow, node.id, physical_id))
    assert domain.database.value(f"instance:{r}") == (
        '{"Resource":[{"class_type":"file-log","configuration":{"filename":"a.log"},"workflow_id":"%s"},'
        '"InstanceId(node_id: %s, function_id: %s)"]}' % (flow, node.id, resource_id))
    coded = json.loads(domain.database.value(f"instance:{c}"))["Function"][0]
    assert coded["spec"]["code"] == "x" and coded["state_specification"]["state_policy"] == "Global"
    domain.client.patch(f, {"out": r})
    assert domain.database.value(f"dependency:{f}") == '{"out":"%s"}' % r
    domain.client.patch(f, {})
    domain.database.value(f"dependency:{f}", lambda text: text == "{}")
    domain.client.stop(f)
    domain.client.stop(r, "resource")
    for key in (f"instance:{f}", f"instance:{r}", f"dependency:{f}"):
        domain.database.gone(key)


def test_no_provider_overwrites_a_timestamp(domain):
    node = domain.node(providers=[("last_update", "rc-1"), ("a b\n:\0", "rc-1")]).join()
    value = json.loads(domain.database.value("provider:a b\n:\0"))
    assert value["node_id"] == node.id
    assert float(domain.database.value("provider:last_update")) > 1e9


def test_an_instance_that_lost_its_node_is_mirrored_without_one(domain):  # W16
    node = domain.node(providers=[("p", "rc-1")]).join()
    f, r = domain.client.start(), domain.client.start(resource())
    domain.database.value(f"instance:{r}")
    node.leave()
    domain.database.value(f"instance:{f}", lambda text: text.endswith(",[]]}"))
    text = domain.database.value(f"instance:{r}", lambda text: node.id not in text)
    assert physical(json.loads(text)["Resource"][1]) == (
        "00000000-0000-0000-0000-fffe00000000", "00000000-0000-0000-0000-fffd00000000")


def test_the_timestamp_of_a_category_changes_only_with_it(domain):  # R1–R4, 5.6
    node = domain.node(providers=[("p", "rc-1")]).join()
    names = ["node:capabilities", "provider", "instance", "dependency"]

    def stamps():
        return {name: domain.redis.get(f"{name}:last_update") for name in names}

    def changed(action, *expected):
        before = stamps()
        action()
        eventually(lambda: all(stamps()[name] != before[name] for name in expected), f"{expected} changed")
        time.sleep(0.3)
        got = {name for name in names if stamps()[name] != before[name]}
        # Providers are written with their nodes (5.1), so one of these stamps may move with the other.
        assert got == set(expected) or got | set(expected) == {"node:capabilities", "provider"}, got
    lids = []
    domain.database.value("provider:last_update")
    domain.database.value("node:capabilities:last_update")
    changed(lambda: lids.append(domain.client.start()), "instance")
    changed(lambda: domain.client.patch(lids[0], {"a": lids[0]}), "dependency")
    changed(lambda: node.register())
    node.capabilities.labels.append("new")
    changed(lambda: node.register(), "node:capabilities")
    node.providers.append(pb.ResourceProviderSpecification(provider_id="q", class_type="rc-1"))
    changed(lambda: node.register(), "provider")


def test_no_reader_sees_a_timestamp_before_its_data(domain):  # 5.6, W23
    domain.node().join()
    lids, seen = [domain.client.start()], {}
    domain.database.value(f"instance:{lids[0]}")
    end = time.monotonic() + 3
    with ThreadPoolExecutor(4) as pool:
        future = pool.submit(lambda: [lids.append(domain.client.start()) for _ in range(60)])
        while time.monotonic() < end or not future.done():
            pipe = domain.redis.pipeline()
            pipe.get("instance:last_update")
            pipe.keys("instance:*")
            stamp, keys = pipe.execute()
            assert seen.setdefault(stamp, set(keys)) == set(keys)
    assert len(seen) > 1


def test_samples_are_written_in_the_notation_of_edgeless(domain):
    node = domain.node().join()
    domain.client.start()
    physical_id = node.of("StartFunction")[0].of
    now = int(time.time())
    node.register(performance_samples=samples(physical_id, (now, 250_000_000, 0.0125), (now + 1, 0, 100.0), (now + 2, 0, 4.9e-05),
                                              (now + 3, 500_000_000, 1e22)))
    got = series(domain, f"performance:{physical_id}:function_execution_time", 4)
    assert got == [(f"{now}.25:0.0125", now + 0.25), (f"{now + 1}:100", now + 1.0), (f"{now + 2}:0.000049", now + 2.0),
                   (f"{now + 3}.5:10000000000000000000000", now + 3.5)]


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_has_its_key(domain, metric):
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    node.register(performance_samples=samples(physical_id.upper(), (now, 0, 0.5), metric=metric))
    assert series(domain, f"performance:{physical_id}:function_{metric}_time", 1) == [(f"{now}:0.5", float(now))]


def test_samples_of_the_first_registration_after_a_start_are_mirrored(domain):  # W14, 1.3 rule 6
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    stranger = str(uuid.uuid4())
    all_of_it = samples(physical_id, (now, 0, 1.0))
    all_of_it.function_execution_times.add(id="no uuid", samples=[pb.Sample(timestamp_sec=now, sample=5)])
    all_of_it.function_execution_times.add(id=stranger, samples=[pb.Sample(timestamp_sec=now, sample=5)])
    all_of_it.function_log_entries.add(id="no uuid", entries=[pb.FunctionLogEntry(timestamp_sec=now, target="t", msg="m")])
    node.register(performance_samples=all_of_it)
    series(domain, f"performance:{physical_id}:function_execution_time", 1)
    assert not domain.redis.keys("*no uuid*")


def test_of_two_sample_lists_with_one_id_the_last_counts(domain):  # 1.3, rule 6
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    twice = samples(physical_id, (now, 0, 1.0))
    twice.function_execution_times.add(id=physical_id.upper(), samples=[pb.Sample(timestamp_sec=now, sample=2.0)])
    node.register(performance_samples=twice)
    assert series(domain, f"performance:{physical_id}:function_execution_time", 1) == [(f"{now}:2", float(now))]


def test_a_sample_that_is_sent_twice_is_stored_once(domain):  # X10
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    for _ in range(2):
        node.register(performance_samples=samples(physical_id, (now, 1000, 0.5)))
    node.register(performance_samples=samples(physical_id, (now + 1, 0, 0.5)))
    series(domain, f"performance:{physical_id}:function_execution_time", 2)
    assert domain.redis.zcard(f"performance:{physical_id}:function_execution_time") == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.0, 5e-324, 1.7e308])
def test_an_invalid_sample_does_not_block_the_others(domain, value):
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    node.register(performance_samples=samples(physical_id, (now, 0, value), (now + 1, 0, 1.0), (now, 4_294_967_295, 1.0)))
    node.register(performance_samples=samples(physical_id, (2 ** 63 - 1, 0, 1.0), (-2 ** 63, 0, 1.0), (now + 2, 0, 2.0)))
    eventually(lambda: {f"{now + 1}:1", f"{now + 2}:2"} <= set(
        domain.redis.zrange(f"performance:{physical_id}:function_execution_time", 0, -1)), "the good ones")
    for member in domain.redis.zrange(f"performance:{physical_id}:function_execution_time", 0, -1):
        assert "e" not in member.split(":")[0].lower()
    assert domain.alive()


def test_log_lines_are_a_series_by_target_apart_from_samples(domain):  # W24
    node = domain.node().join()
    domain.client.start()
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    node.register(performance_samples=samples(physical_id, (now, 0, 0.5), logs=[
        (now, 0, "edgeless", "hello: a:b\n"), (now, 5, "function_execution_time", "not a figure")]))
    assert series(domain, f"performance:{physical_id}:edgeless", 1) == [(f"{now}:hello: a:b\n", float(now))]
    assert series(domain, f"performance:{physical_id}:function_execution_time", 1) == [(f"{now}:0.5", float(now))]
    series(domain, f"performance:{physical_id}:log-function_execution_time", 1)


def test_the_seeds_list_has_padded_milliseconds(make_domain, database):  # X12
    domain = make_domain(redis=database.url, settings={"proxy.schema": "seed", "proxy.proxy_gc_period_seconds": 0})
    node = domain.node().join()
    domain.client.start()
    physical_id = node.of("StartFunction")[0].of
    node.register(health_status=healthy(), performance_samples=samples(physical_id, (10, 5_000_000, 0.5)))
    key = f"performance:function_execution_time:{physical_id}"
    eventually(lambda: database.redis.lrange(key, 0, -1) == ["0.5,10.005"], "the seed's form")
    assert json.loads(database.value(f"node:health:{node.id}"))["mem_free"] == 1
    assert database.redis.type(f"node:health:{node.id}") == "string"
    assert database.redis.exists(f"nodes:capabilities:{node.id}")


def test_the_current_schema_has_no_keys_of_the_seed(make_domain, database):
    domain = make_domain(redis=database.url, settings={"proxy.schema": "current", "proxy.proxy_gc_period_seconds": 0})
    node = domain.node().join()
    domain.client.start()
    physical_id = node.of("StartFunction")[0].of
    node.register(performance_samples=samples(physical_id, (10, 5_000_000, 0.5)))
    eventually(lambda: database.redis.exists(f"performance:{physical_id}:function_execution_time"), "the figure")
    assert not database.redis.keys("nodes:*") and not database.redis.keys("performance:function_execution_time:*")


def test_samples_older_than_the_period_are_removed(make_domain, database):  # X11, 5.5
    domain = make_domain(redis=database.url, settings={"proxy.proxy_gc_period_seconds": 1})
    node = domain.node().join()
    domain.client.start()
    physical_id, key = node.of("StartFunction")[0].of, f"node:health:{node.id}"
    for n in range(12):
        node.register(health_status=healthy(mem_free=n), performance_samples=samples(physical_id, (int(time.time()), n, 0.5)))
        time.sleep(0.25)
    oldest = database.redis.zrange(key, 0, 0)
    eventually(lambda: database.redis.zrange(key, 0, 0) != oldest, "the oldest goes")
    eventually(lambda: not database.redis.exists(f"performance:{physical_id}:function_execution_time"), "all figures go")


def test_a_foreign_key_is_never_touched(make_domain, database):  # W6
    database.redis.set("tenant", "value")
    database.redis.set("instanceof", "value")
    database.redis.set("performance", "value")
    database.redis.set(f"instance:{uuid.uuid4()}", "stale")
    database.redis.set("provider:stale", "stale")
    database.redis.rpush("dependency:stale", "of another type")
    database.redis.set("performance:other:thing", "of another type")
    stale = [key for key in database.redis.keys() if ":" in key and not key.startswith("performance")]
    domain = make_domain(redis=database.url)
    node = domain.node().join()
    database.value(f"node:capabilities:{node.id}")
    for key in stale:
        database.gone(key)
    domain.end()
    domain.start()
    database.value(f"node:status:{node.id}")
    assert {database.redis.get(key) for key in ("tenant", "instanceof", "performance")} == {"value"}


def test_a_redis_that_starts_later_gets_everything(make_domain):  # X9, W2
    server = Server()
    server.stop()
    domain = make_domain(redis=f"redis://127.0.0.1:{server.port}")
    try:
        node = domain.node(providers=[("p", "rc-1")]).join()
        f, r = domain.client.start(), domain.client.start(resource())
        domain.client.patch(f, {"out": r})
        node.wait("PatchFunction")
        server.start()
        reader = server.client(0)
        keys = {f"instance:{f}", f"instance:{r}", f"dependency:{f}", f"node:capabilities:{node.id}", "provider:p"}
        eventually(lambda: keys <= set(reader.keys()), "all keys")
        # It goes again, things change meanwhile, and it comes back empty, then with what was stale.
        server.stop()
        domain.client.stop(r, "resource")
        server.start()
        eventually(lambda: f"instance:{f}" in server.client(0).keys(), "all again")
        assert f"instance:{r}" not in server.client(0).keys()
        server.client(0).flushall()
        eventually(lambda: f"instance:{f}" in server.client(0).keys(), "again after a flush")
    finally:
        server.close()


def test_a_redis_that_hangs_blocks_nothing(make_domain):  # W2
    server = Server()
    domain = make_domain(redis=f"redis://127.0.0.1:{server.port}/3")
    try:
        node = domain.node().join()
        server.pause()
        began = time.monotonic()
        for n in range(50):
            domain.client.stop(domain.client.start())
            node.register(health_status=healthy(mem_free=n))
        lid = domain.client.start()
        assert time.monotonic() - began < 30
        assert len(domain.log().splitlines()) < 40
        server.go_on()
        eventually(lambda: server.client(3).exists(f"instance:{lid}"), "it catches up")
    finally:
        server.close()


def test_a_redis_that_hangs_does_not_block_the_shutdown(make_domain):  # W2
    server = Server()
    domain = make_domain(redis=f"redis://127.0.0.1:{server.port}/3")
    try:
        node = domain.node().join()
        eventually(lambda: server.client(3).exists(f"node:capabilities:{node.id}"), "the node")
        server.pause()
        domain.client.start()
        began = time.monotonic()
        assert domain.end() == 0 and time.monotonic() - began < 30
    finally:
        server.close()


def test_refused_writes_are_logged_once_and_repeated(make_domain):
    server = Server()
    domain = make_domain(redis=f"redis://127.0.0.1:{server.port}")
    try:
        node = domain.node().join()
        admin = server.client(0)
        eventually(lambda: admin.exists(f"node:capabilities:{node.id}"), "the node")
        admin.config_set("maxmemory", "1")
        lids = [domain.client.start() for _ in range(20)]
        time.sleep(QUIET)
        assert sum("edis" in line for line in domain.log().splitlines()) <= 5, domain.log()
        admin.config_set("maxmemory", "0")
        eventually(lambda: admin.exists(f"instance:{lids[-1]}"), "it is written later")
    finally:
        server.close()


def test_redis_user_password_and_unix_socket_are_used(make_domain):
    server = Server()
    try:
        server.client(0).acl_setuser("berth", enabled=True, passwords=["+p@ss:/w"], keys=["*"], commands=["+@all"])
        domain = make_domain(redis=f"redis://berth:p%40ss%3A%2Fw@127.0.0.1:{server.port}/2")
        eventually(lambda: server.client(2).get("domain_info:domain_id") == "domain-7000", "the domain's name")
        other = make_domain(redis=f"unix://{server.socket}?db=4", domain_id="other")
        eventually(lambda: server.client(4).get("domain_info:domain_id") == "other", "by the socket")
        assert "p@ss" not in domain.log() and "p%40ss" not in domain.log() and other.alive()
    finally:
        server.close()


def test_only_changes_are_written_in_transactions_without_keys(make_domain, database):  # W23
    domain = make_domain(redis=database.url)
    nodes = domain.join(*[domain.node(providers=[(f"p{i}", "rc-1")]) for i in range(5)])
    lids = [domain.client.start() for _ in range(20)]
    database.value(f"instance:{lids[-1]}")
    seen = []
    with database.redis.monitor() as monitor:
        domain.client.stop(lids[0])
        new = domain.client.start()
        database.value(f"instance:{new}")
        database.redis.echo("the end")
        for command in monitor.listen():
            if "the end" in command["command"]:
                break
            if command["db"] == database.number and command["client_type"] == "tcp":
                seen.append(command["command"].split(" "))
    verbs = [one[0].upper() for one in seen]
    assert not {"KEYS", "FLUSHDB", "FLUSHALL"} & set(verbs)
    written = [one[1] for one in seen if one[0].upper() == "SET"]
    assert f"instance:{new}" in written and "MULTI" in verbs
    assert not any(lid in key for key in written for lid in lids[1:]) and not any("capabilities" in key for key in written)
    assert nodes


def test_the_history_is_written_to_csv_files(make_domain, database):  # 5.7, A3, W24
    domain = make_domain(redis=database.url, start=False, settings={
        "proxy.dataset_settings.dataset_path": "data/run-", "proxy.dataset_settings.append": False,
        "proxy.dataset_settings.additional_fields": "a,b", "proxy.dataset_settings.additional_header": "x,y"})
    domain.start()
    node = domain.node(labels=["red", "blue"], mem_size=7).join()
    lid = domain.client.start(spawn(workflow_id="flow, \"one\""))
    physical_id, now = node.of("StartFunction")[0].of, int(time.time())
    for _ in range(3):
        node.register(health_status=healthy(), performance_samples=samples(
            physical_id, (now, 0, 0.5), logs=[(now, 0, "target", 'a, "b"\nc')]))
    node.register(health_status=healthy(mem_free=5))

    def rows(name):
        try:
            with open(os.path.join(domain.directory, "data", f"run-{name}.csv"), newline="", encoding="utf-8") as file:
                return list(csv.reader(file))
        except FileNotFoundError:
            return []
    widths = {"health_status": 25, "capabilities": 17, "performance_samples": 6, "application_logs": 6}
    for name, width in widths.items():
        eventually(lambda: len(rows(name)) >= 2, f"a row in {name}")
        assert all(len(row) == width for row in rows(name)), (name, rows(name))
        assert all(row[:2] == ["a", "b"] for row in rows(name)[1:]) and rows(name)[0][:2] == ["x", "y"]
    eventually(lambda: len(rows("mapping_to_instance_id")) >= 2, "the mapping")
    assert rows("mapping_to_instance_id")[1][3:] == [lid, "flow, \"one\"", node.id, physical_id]
    assert [row[5] for row in rows("application_logs")[1:2]] == ['a, "b"\nc']
    assert rows("capabilities")[1][3] == node.id and "[red;blue]" in rows("capabilities")[1]
    eventually(lambda: any(row[4] == "5" for row in rows("health_status")[1:]), "the last health")
    assert len([row for row in rows("health_status")[1:] if row[4] == "1"]) == 1, "the same health once"


def test_a_starting_domain_leaves_the_database_to_one_that_runs_and_takes_over_when_that_ends(make_domain, database):  # W6
    one = make_domain(redis=database.url, domain_id="one")
    node = one.node().join()
    database.value(f"node:capabilities:{node.id}")
    two = make_domain(redis=database.url, domain_id="two")
    two.node().join()
    eventually(lambda: "another domain uses this Redis" in two.log(), "it says so")
    time.sleep(QUIET)
    assert database.redis.exists(f"node:capabilities:{node.id}") and database.redis.get("domain_info:domain_id") == "one"
    one.end()
    eventually(lambda: not database.redis.exists(f"node:capabilities:{node.id}"), "what the other one showed is gone")
    assert database.value("domain_info:domain_id") == "two" and "which this one replaces" in two.log()


def test_a_running_domain_yields_the_database_and_logs_it(make_domain, database):
    one = make_domain(redis=database.url, domain_id="one")
    first = one.node().join()
    database.value(f"node:capabilities:{first.id}")
    two = make_domain(redis=database.url, domain_id="two")
    second = two.node().join()
    eventually(lambda: "domain=two" in one.log() or "domain=one" in two.log(), "one of them says so")
    time.sleep(QUIET)
    shown = {key.rpartition(":")[2] for key in database.redis.keys("node:status:*")}
    assert len(shown & {first.id, second.id}) == 1, "the keys are those of one domain"
