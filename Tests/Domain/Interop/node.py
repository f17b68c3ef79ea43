"""A node that runs nothing: it registers, records every call of its agent API, and can be made to fail."""
import threading
import time
import uuid
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import grpc
import edgeless_pb2 as pb
import edgeless_pb2_grpc as rpc
from google.protobuf.empty_pb2 import Empty
from waiting import DEADLINE, UNLIMITED, Relay, eventually

# `what`: StartFunction, StopResource, …, Reset, Add, Del, Clear. `of`: the component's id at the node, or the peer's id.
Call = namedtuple("Call", "what of detail")


def spawn(**changes):
    """A Start of a function with the given fields."""
    annotations = changes.pop("annotations", {})
    state_id, policy = changes.pop("state_id", str(uuid.uuid4())), changes.pop("policy", pb.NODE_LOCAL)
    workflow = changes.pop("workflow_id", str(uuid.uuid4()))
    code = dict(id="doubler", function_type="RUST_WASM", version="0.1", binary=b"\0asm", outputs=["out"])
    code.update(changes)
    return pb.SpawnFunctionRequest(
        code=pb.FunctionClassSpecification(**code), annotations=annotations, workflow_id=workflow,
        state_specification=pb.StateSpecification(state_id=state_id, policy=policy))


def resource(kind="rc-1", workflow_id=None, **configuration):
    return pb.ResourceInstanceSpecification(
        resource_class_type=kind, configuration=configuration, workflow_id=workflow_id or str(uuid.uuid4()))


class Node:
    def __init__(self, domain, *, providers=(), labels=(), cpus=1, cores=1, frequency=0.0, runtimes=("RUST_WASM",),
                 node_id=None, nonce=None, relayed=False, credentials=None, server_credentials=None, **capabilities):
        self.domain, self.id = domain, node_id or str(uuid.uuid4())
        self.nonce = nonce if nonce is not None else uuid.uuid4().int >> 65
        self.capabilities = pb.NodeCapabilities(
            num_cpus=cpus, num_cores=cores, clock_freq_cpu=frequency, runtimes=runtimes, labels=labels, **capabilities)
        self.providers = [pb.ResourceProviderSpecification(provider_id=p[0], class_type=p[1], outputs=list(p[2:]))
                          for p in providers]
        self.calls, self.running, self.changed = [], {}, threading.Condition()
        # Faults. `after` is called with the call's name when it has taken effect.
        self.refusals, self.delay, self.foreign, self.failing = 0, 0.0, False, set()
        self.answer = None  # to every Start of a function, instead of the true one
        self.hanging, self.released = set(), threading.Event()
        self.after = lambda what: None
        self.pool = ThreadPoolExecutor(48)
        self.server = grpc.server(self.pool, options=UNLIMITED + [("grpc.so_reuseport", 0)])
        for service, adder in ((Components(self, "Function"), rpc.add_FunctionInstanceServicer_to_server),
                               (Components(self, "Resource"), rpc.add_ResourceConfigurationServicer_to_server),
                               (Management(self), rpc.add_NodeManagementServicer_to_server)):
            adder(service, self.server)
        self.port = (self.server.add_secure_port("127.0.0.1:0", server_credentials) if server_credentials
                     else self.server.add_insecure_port("127.0.0.1:0"))
        self.relay = Relay(self.port) if relayed else None
        self.agent_url = f"http{'s' if server_credentials else ''}://127.0.0.1:{self.relay.port if relayed else self.port}"
        self.invocation_url = f"http://127.0.0.1:{self.port}/"[:-1]
        self.server.start()
        domain.closing(self.close)

    # -- as a client

    def announcement(self, *, lease=600, deadline=None, **changes):
        request = pb.UpdateNodeRequest(
            node_id=self.id, agent_url=self.agent_url, invocation_url=self.invocation_url, nonce=self.nonce,
            resource_providers=self.providers, capabilities=self.capabilities,
            refresh_deadline=int(time.time() + lease) if deadline is None else deadline)
        for name, value in changes.items():
            if isinstance(value, list):
                request.ClearField(name)
                getattr(request, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(request, name).CopyFrom(value)
            else:
                setattr(request, name, value)
        return request

    def register(self, **changes):
        return self.domain.registration.UpdateNode(self.announcement(**changes), timeout=DEADLINE, wait_for_ready=True)

    def join(self, **changes):
        """Registers and waits until the node is ready; returns the node."""
        answer = self.register(**changes)
        assert not answer.HasField("response_error"), answer
        self.wait("Reset")
        self.domain.ready(self)
        return self

    def leave(self):
        self.register(deadline=1)

    def keep(self, period=0.4, lease=3):
        """Refreshes until it is closed."""
        stopped = threading.Event()

        def loop():
            while not stopped.wait(period):
                try:
                    self.domain.registration.UpdateNode(self.announcement(lease=lease), timeout=5)
                except grpc.RpcError:
                    pass
        threading.Thread(target=loop, daemon=True).start()
        self.domain.closing(stopped.set)
        return stopped

    # -- what happened

    def of(self, *whats):
        with self.changed:
            return [call for call in self.calls if call.what in whats]

    def names(self):
        with self.changed:
            return [call.what for call in self.calls]

    def wait(self, what, count=1):
        return eventually(lambda: (lambda seen: seen if len(seen) >= count else None)(self.of(what)),
                          f"{count} {what} at a node, which saw {self.names()[:40]}")

    def forget(self):
        with self.changed:
            self.calls.clear()

    def note(self, what, of=None, detail=None):
        with self.changed:
            self.calls.append(Call(what, of, detail))

    def misbehave(self, what, context):
        if self.delay:
            time.sleep(self.delay)
        if what in self.hanging:
            self.released.wait(120)
            if not context.is_active():  # like an EDGELESS node, which ends abandoned calls
                context.abort(grpc.StatusCode.CANCELLED, "nobody waits any more")
        if what in self.failing:
            context.abort(grpc.StatusCode.INTERNAL, "this node fails as it was told to")

    def close(self):
        self.released.set()
        self.server.stop(0)
        if self.relay:
            self.relay.close()
        self.pool.shutdown(wait=False, cancel_futures=True)


class Components:
    def __init__(self, node, kind):
        self.node, self.kind = node, kind

    def Start(self, request, context):
        node, what = self.node, "Start" + self.kind
        identity = str(uuid.uuid4())
        node.note(what, identity, request)
        node.misbehave(what, context)
        if node.answer is not None:
            return node.answer
        with node.changed:
            if node.refusals > 0:
                node.refusals -= 1
                return pb.StartComponentResponse(
                    response_error=pb.ResponseError(summary="this node refuses", detail="as it was told to"))
            node.running[identity] = (self.kind, request)
        node.after(what)
        where = str(uuid.uuid4()) if node.foreign else node.id
        return pb.StartComponentResponse(instance_id=pb.InstanceIdVariant(
            instance_id=pb.InstanceId(node_id=where, function_id=identity)))

    def Stop(self, request, context):
        node, what = self.node, "Stop" + self.kind
        node.note(what, request.instance_id.function_id, request)
        node.misbehave(what, context)
        with node.changed:
            node.running.pop(request.instance_id.function_id, None)
        node.after(what)
        return Empty()

    def Patch(self, request, context):
        node, what = self.node, "Patch" + self.kind
        mapping = {name: (target.node_id, target.function_id) for name, target in request.output_mapping.items()}
        node.note(what, request.function_id, mapping)
        node.misbehave(what, context)
        return Empty()


class Management:
    def __init__(self, node):
        self.node = node

    def UpdatePeers(self, request, context):
        what = {pb.ADD: "Add", pb.DEL: "Del", pb.CLEAR: "Clear"}[request.request_type]
        self.node.note(what, request.node_id if request.HasField("node_id") else None,
                       request.invocation_url if request.HasField("invocation_url") else None)
        self.node.misbehave(what, context)
        return Empty()

    def Reset(self, request, context):
        self.node.note("Reset")
        self.node.misbehave("Reset", context)
        with self.node.changed:
            self.node.running.clear()
        return Empty()
