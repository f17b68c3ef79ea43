"""Floods and garbage: W3, W7, W14, W21."""
import os
import random
import socket
import struct
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import edgeless_pb2 as pb
import pytest
from node import resource, spawn
from waiting import DEADLINE, channel, eventually

METHODS = ["FunctionInstance/Start", "FunctionInstance/Stop", "FunctionInstance/Patch", "ResourceConfiguration/Start",
           "ResourceConfiguration/Stop", "ResourceConfiguration/Patch"]
SEED = int(os.environ.get("BERTH_INTEROP_SEED", random.randrange(2 ** 32)))


def raw(line, method, payload, timeout=20):
    try:
        return line.unary_unary("/edgeless_api." + method)(payload, timeout=timeout, wait_for_ready=True)
    except grpc.RpcError as refusal:
        return refusal.code()


def test_garbage_in_messages_does_no_harm(shared):
    rng = random.Random(SEED)
    print("seed", SEED)
    valid = [spawn(annotations={"a": "b"}).SerializeToString(), resource(a="b").SerializeToString(),
             shared.worker.announcement().SerializeToString()]
    with channel(shared.orchestrator) as orchestrator, channel(shared.register) as register:
        for round_ in range(150):
            if round_ % 3:
                payload = bytearray(rng.choice(valid))
                for _ in range(rng.randint(1, 6)):
                    payload[rng.randrange(len(payload))] = rng.randrange(256)
            else:
                payload = rng.randbytes(rng.randint(0, 200))
            if b"RUST_WASM" in payload:  # no instances are left behind
                payload = bytes(payload).replace(b"RUST_WASM", b"RUST_WASP")
            raw(orchestrator, rng.choice(METHODS), bytes(payload).replace(b"file-log", b"file-lag"))
            payload = bytes(payload).replace(shared.worker.id.encode(), b"x" * 36)
            raw(register, "NodeRegistration/UpdateNode", payload)
    shared.client.stop(shared.client.start())
    assert shared.alive()


def test_unknown_services_and_methods_are_unimplemented(shared):
    with channel(shared.orchestrator) as line:
        for method in ("FunctionInstance/Nonsense", "NodeManagement/Reset", "WorkflowInstance/List", "NodeRegistration/UpdateNode"):
            assert raw(line, method, b"") == grpc.StatusCode.UNIMPLEMENTED


def test_fields_of_a_later_version_are_ignored(shared):
    request = spawn()
    lid = None
    with channel(shared.orchestrator) as line:
        answer = raw(line, "FunctionInstance/Start", request.SerializeToString() + b"\xfa\x3f\x03abc\x08\x05")
        lid = pb.StartComponentResponse.FromString(answer).instance_id.domain_managed_instance_id.instance_id
    assert uuid.UUID(lid)
    shared.client.stop(lid)


def test_text_that_is_not_utf_8_does_no_harm(shared):
    with channel(shared.orchestrator) as line:
        raw(line, "ResourceConfiguration/Start", b"\x0a\x04\xff\xfe\xfd\xfc")
        raw(line, "FunctionInstance/Patch", b"\x0a\x02\xc0\x80")
    with channel(shared.register) as line:
        raw(line, "NodeRegistration/UpdateNode", b"\x12\x02\xff\xff")
    shared.client.stop(shared.client.start())


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096, b"\0" * 65536,
                                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">IBI", 0, 4, 0)[1:]
                                   + b"\xff\xff\xff\x01\x25\0\0\0\1"])
def test_noise_on_its_ports_does_no_harm(shared, noise):
    for port in (shared.orchestrator, shared.register, shared.status_port):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            try:
                line.sendall(noise)
                line.settimeout(0.3)
                line.recv(4096)
            except OSError:
                pass
    shared.client.stop(shared.client.start())


def test_many_silent_connections_block_nobody(shared):
    lines = []
    try:
        for _ in range(400):
            lines.append(socket.create_connection(("127.0.0.1", shared.orchestrator if len(lines) % 2 else shared.register),
                                                  timeout=10))
        shared.client.stop(shared.client.start())
        with channel(shared.orchestrator) as line:
            answer = raw(line, "FunctionInstance/Start", b"")
            assert pb.StartComponentResponse.FromString(answer).response_error.summary
    finally:
        for line in lines:
            line.close()


def test_instances_of_callers_that_disconnect_before_the_answer_are_stopped(domain):
    node = domain.node().join()
    node.delay = 0.2
    for n in range(30):
        future = domain.client.functions.Start.future(spawn(), timeout=30)
        node.wait("StartFunction", n + 1)
        future.cancel()
    node.delay = 0
    eventually(lambda: not node.running and not domain.status()["instances"], "all is stopped again")


def test_callers_that_disconnect_immediately_leave_no_unknown_instance(domain):
    node = domain.node().join()
    for _ in range(60):
        domain.client.functions.Start.future(spawn(), timeout=30).cancel()
    domain.wait_until_idle()
    known = {one["id"] for one in domain.status()["instances"]}
    assert len(known) == len(node.running)
    for lid in known:
        domain.client.stop(lid)
    eventually(lambda: not node.running, "each can be stopped")


def test_a_flood_of_starts_and_stops_ends_with_nothing(domain):
    nodes = domain.join(*[domain.node(providers=[(f"p{i}", "rc-1")]) for i in range(3)])

    def churn(_):
        for n in range(25):
            lid = domain.client.start(resource() if n % 5 == 0 else spawn())
            domain.client.patch(lid, {"me": lid})
            domain.client.stop(lid, "resource" if n % 5 == 0 else "function")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(churn, range(16)))
    eventually(lambda: not any(node.running for node in nodes), "nothing runs")
    domain.wait_until_idle()
    assert domain.status()["instances"] == []


def test_a_flood_of_registrations_does_no_harm(domain):
    sound = domain.node().join()
    stub, line = domain.registration, 0
    future = []
    for n in range(600):
        # Nodes whose agents cannot be reached.
        future.append(stub.UpdateNode.future(pb.UpdateNodeRequest(
            node_id=str(uuid.uuid4()), agent_url="http://127.0.0.1:1", invocation_url="http://127.0.0.1:1", nonce=n,
            refresh_deadline=int(time.time()) + 3, capabilities=sound.capabilities), timeout=60, wait_for_ready=True))
    for one in future:
        assert not one.result().HasField("response_error")
    for _ in range(10):
        domain.client.stop(domain.client.start())
    sound.keep()
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "they are gone after their leases")
    domain.client.start()


def test_a_wiring_of_fifty_thousand_channels_is_accepted_or_refused(domain):
    node = domain.node().join()
    lid = domain.client.start()
    targets = {f"channel-{n}": lid for n in range(50_000)}
    try:
        domain.client.patch(lid, targets)
    except grpc.RpcError as refusal:
        assert refusal.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
    domain.client.patch(lid, {"one": lid})
    eventually(lambda: node.of("PatchFunction") and set(node.of("PatchFunction")[-1].detail) == {"one"}, "the last patch")


def test_very_long_names_are_accepted_or_refused(domain):
    node = domain.node(labels=["x" * 1_000_000], providers=[("p" * 100_000, "c" * 100_000)])
    try:
        node.register()
    except grpc.RpcError:
        pass
    domain.node().join()
    answer = domain.client.ask(spawn(function_type="y" * 1_000_000, id="z" * 100_000))
    assert answer.HasField("response_error")
    domain.client.start(spawn(annotations={f"k{n}": "v" * 100 for n in range(5_000)}))


def test_a_chain_of_two_hundred_functions_is_taken_down_in_any_order(domain):
    nodes = domain.join(*[domain.node() for _ in range(2)])
    with ThreadPoolExecutor(8) as pool:
        lids = list(pool.map(lambda _: domain.client.start(), range(200)))
    for one, other in zip(lids, lids[1:] + lids[:1]):
        domain.client.patch(one, {"next": other})
    rng = random.Random(SEED)
    rng.shuffle(lids)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(domain.client.stop, lids))
    eventually(lambda: not any(node.running for node in nodes), "nothing runs")
    domain.wait_until_idle()


def rss(domain):
    with open(f"/proc/{domain.process.pid}/status", encoding="utf-8") as file:
        return int([line for line in file if line.startswith("VmRSS")][0].split()[1]) // 1024


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
PATH = b"/edgeless_api.FunctionInstance/Start"
HEADERS = b"\x83\x86\x04" + bytes([len(PATH)]) + PATH + literal(b"content-type", b"application/grpc") + literal(b"te", b"trailers")


@pytest.mark.parametrize("first,flood", [
    (b"", lambda n: frame(1, 4, 2 * n + 1, HEADERS) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08")),
    (frame(1, 0, 1, HEADERS), lambda n: frame(9, 0, 1, literal(b"a%05d" % n, b"b" * 100) * 50)),
    (b"", lambda n: frame(6, 0, 0, b"12345678")), (b"", lambda n: frame(4, 0, 0, b"\0\3\0\0\0\1") * 4),
], ids=["streams begun and reset", "headers without end", "pings", "settings"])
def test_floods_of_frames_cost_no_memory_and_block_nobody(shared, first, flood):
    shared.client.stop(shared.client.start())
    before = rss(shared)
    with socket.create_connection(("127.0.0.1", shared.orchestrator), timeout=20) as line:
        def read():
            try:
                while line.recv(65536):
                    pass
            except OSError:
                pass
        threading.Thread(target=read, daemon=True).start()
        try:
            line.sendall(PREFACE + first)
            for n in range(10_000):
                line.sendall(flood(n))
        except OSError:
            pass  # the connection was closed
        shared.client.stop(shared.client.start())
    assert rss(shared) - before < 100
