"""A controller (ε-CON) that follows section 6.2 and deploys workflows."""
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import edgeless_pb2 as pb
import edgeless_pb2_grpc as rpc
from node import spawn
from waiting import DEADLINE, UNLIMITED, channel, eventually

NIL = str(uuid.UUID(int=0))


class Controller:
    def __init__(self, knows=True, server_credentials=None):
        """`knows`: whether it treats a new domain as known and requests no reset."""
        self.knows, self.updates, self.domains, self.lock = knows, [], {}, threading.Lock()
        self.answers, self.hook = [], lambda request: None
        self.server = grpc.server(ThreadPoolExecutor(16), options=UNLIMITED + [("grpc.so_reuseport", 0)])
        rpc.add_DomainRegistrationServicer_to_server(self, self.server)
        self.port = (self.server.add_secure_port("127.0.0.1:0", server_credentials) if server_credentials
                     else self.server.add_insecure_port("127.0.0.1:0"))
        self.server.start()

    def UpdateDomain(self, request, context):
        with self.lock:
            self.updates.append(request)
        self.hook(request)
        with self.lock:
            if self.answers:
                answer = self.answers.pop(0)
                if isinstance(answer, grpc.StatusCode):
                    context.abort(answer, "as it was told to")
                return answer
            if not request.domain_id:
                return pb.UpdateDomainResponse(response_error=pb.ResponseError(summary="Empty domain identifier"))
            known = self.domains.get(request.domain_id)
            self.domains[request.domain_id] = request
            first = known is None
            return pb.UpdateDomainResponse(reset=not self.knows if first else known.nonce != request.nonce)

    def latest(self):
        with self.lock:
            return self.updates[-1] if self.updates else None

    def next(self, count=1):
        """The latest update after `count` more have arrived."""
        with self.lock:
            seen = len(self.updates)
        eventually(lambda: len(self.updates) >= seen + count, f"{count} more updates of the domain")
        return self.latest()

    def update_where(self, test, promise):
        """The latest or next update that passes `test`."""
        def probe():
            latest = self.latest()
            return latest if latest is not None and test(latest) else None
        return eventually(probe, promise + f"; the controller's last: {self.latest()}")

    def forget(self):
        with self.lock:
            self.domains.clear()
            self.knows = False

    def close(self):
        self.server.stop(0)


class Client:
    """A controller's client of a domain."""

    def __init__(self, port, credentials=None, name=None):
        self.channel = channel(port, credentials, name)
        self.functions = rpc.FunctionInstanceStub(self.channel)
        self.resources = rpc.ResourceConfigurationStub(self.channel)

    def _service(self, request):
        return self.functions if isinstance(request, pb.SpawnFunctionRequest) else self.resources

    def ask(self, request):
        return self._service(request).Start(request, timeout=DEADLINE, wait_for_ready=True)

    def start(self, request=None):
        """Starts a function or resource and returns its logical id."""
        answer = self.ask(request if request is not None else spawn())
        assert not answer.HasField("response_error"), answer
        assert answer.instance_id.WhichOneof("InstanceIdType") == "domain_managed_instance_id", answer
        return answer.instance_id.domain_managed_instance_id.instance_id

    def start_until(self, test, promise, request=None):
        """Starts functions or resources until `test` holds; returns the logical id of the last one."""
        def probe():
            lid = self.start(request)
            return lid if test() else None
        return eventually(probe, promise)

    def refused(self, request):
        answer = self.ask(request)
        assert answer.HasField("response_error") and not answer.HasField("instance_id"), answer
        return answer.response_error

    def stop(self, lid, kind="function"):
        service = self.functions if kind == "function" else self.resources
        service.Stop(pb.InstanceIdVariant(domain_managed_instance_id=pb.DomainManagedInstanceId(instance_id=lid)),
                     timeout=DEADLINE, wait_for_ready=True)

    def patch(self, lid, mapping, kind="function", node_id=NIL):
        service = self.functions if kind == "function" else self.resources
        service.Patch(pb.PatchRequest(function_id=lid, output_mapping={
            name: pb.InstanceId(node_id=node_id, function_id=target) for name, target in mapping.items()}),
            timeout=DEADLINE, wait_for_ready=True)

    def close(self):
        self.channel.close()
