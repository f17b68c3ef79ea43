"""TLS both ways: section 2.2, `tls_config.toml` in the working directory; W21."""
import os
import signal
import uuid

import grpc
import edgeless_pb2_grpc as rpc
import pytest
from certificates import Authority
from controller import Client, Controller
from node import spawn
from waiting import DEADLINE, channel, eventually

SERVER = 'server_cert_path = "own.crt"\nserver_key_path = "own.key"\n'
MUTUAL = SERVER + 'server_ca_path = "ca.crt"\n'
OUTGOING = '[client]\nclient_ca_path = "ca.crt"\nclient_cert_path = "own.crt"\nclient_key_path = "own.key"\n'


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def secure(make_domain, authority):
    def make(text, outgoing="", start=True, credentials=None, **options):
        key, certificate = authority.issue("orchestrator", dns=["localhost"])
        files = {"own.key": key.decode(), "own.crt": certificate.decode(), "ca.crt": authority.text.decode(),
                 "tls_config.toml": "[server]\n" + text + outgoing}
        domain = make_domain(start=False, files=files, name="localhost",
                             credentials=credentials or identity(authority, "a controller"), **options)
        for name in ("orchestrator_url", "orchestrator_url_announced", "node_register_url"):
            domain.settings["general"][name] = domain.settings["general"][name].replace("http:", "https:")
        if start:
            domain.start()
        return domain
    return make


def identity(authority, name, trusted=None, **names):
    return grpc.ssl_channel_credentials((trusted or authority).text, *authority.issue(name, **names))


def registered(domain, node, credentials):
    with channel(domain.register, credentials, "localhost") as line:
        try:
            answer = rpc.NodeRegistrationStub(line).UpdateNode(node.announcement(), timeout=10)
            return not answer.HasField("response_error")
        except grpc.RpcError as refusal:
            return refusal.code()


def test_servers_with_a_certificate_only_accept_tls(secure, authority):
    domain = secure(SERVER, credentials=grpc.ssl_channel_credentials(authority.text))
    node = domain.node()
    assert not node.register().HasField("response_error")
    domain.ready(node)
    domain.client.start()
    plain = Client(domain.orchestrator)
    with pytest.raises(grpc.RpcError):
        plain.functions.Start(spawn(), timeout=5)
    plain.close()
    eventually(lambda: "TLS handshake" in domain.log(), "the log tells of it")


def test_sighup_reads_certificates_anew(secure, authority):
    domain = secure(SERVER, credentials=grpc.ssl_channel_credentials(authority.text))
    domain.client.ask(spawn())
    renewed = Authority("renewed")
    key, certificate = renewed.issue("orchestrator", dns=["localhost"])
    client = Client(domain.orchestrator, grpc.ssl_channel_credentials(renewed.text), "localhost")
    with pytest.raises(grpc.RpcError):
        client.functions.Start(spawn(), timeout=2)
    for name, content in (("own.key", b"no key"), ("own.crt", certificate)):
        write(domain, name, content)
    domain.process.send_signal(signal.SIGHUP)
    eventually(lambda: "the configuration was not reloaded" in domain.log(), "a wrong key is refused")
    assert domain.client.ask(spawn()), "the former certificate is still in use"
    write(domain, "own.key", key)
    domain.process.send_signal(signal.SIGHUP)
    eventually(lambda: "configuration reloaded" in domain.log(), "the log tells of it")
    assert client.ask(spawn()), "the new certificate is in use"
    client.close()
    with pytest.raises(grpc.RpcError):
        old = Client(domain.orchestrator, grpc.ssl_channel_credentials(authority.text), "localhost")
        domain.closing(old.close)
        old.functions.Start(spawn(), timeout=2)


def write(domain, name, content):
    with open(os.path.join(domain.directory, name), "wb") as file:
        file.write(content)


def test_with_an_authority_only_its_certificates_are_accepted(secure, authority):
    domain = secure(MUTUAL)
    stranger = Authority()
    for credentials in (grpc.ssl_channel_credentials(authority.text), identity(stranger, "x", trusted=authority)):
        client = Client(domain.orchestrator, credentials, "localhost")
        with pytest.raises(grpc.RpcError) as refusal:
            client.functions.Start(spawn(), timeout=5)
        assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
        client.close()
    assert domain.client.refused(spawn()).detail == "no valid node found"


def test_a_node_may_only_register_under_the_id_in_its_certificate(secure, authority):
    domain = secure(MUTUAL)
    node, other = domain.node(), domain.node()
    for names in ({}, {"dns": ["*"]}, {"dns": [other.id]}, {"uris": ["spiffe://x/" + node.id]}, {"dns": [node.id + ".x"]}):
        assert registered(domain, node, identity(authority, node.id, **names)) == grpc.StatusCode.PERMISSION_DENIED
    assert node.names() == [] and not domain.status()["nodes"]
    assert registered(domain, node, identity(authority, "n", dns=["n1.example", node.id])) is True
    assert registered(domain, other, identity(authority, "n", uris=["urn:uuid:" + other.id.upper()])) is True
    # Nobody evicts another node with a new nonce.
    node.wait("Reset")
    node.nonce += 1
    assert registered(domain, node, identity(authority, "n", dns=[other.id])) == grpc.StatusCode.PERMISSION_DENIED
    domain.ready(node)
    assert len(node.of("Reset")) == 1


def test_nodes_and_the_controller_are_called_over_tls_with_the_domains_certificate(secure, authority):
    key, certificate = authority.issue("peer", dns=["www.example.com"])  # and 127.0.0.1
    mutual = grpc.ssl_server_credentials([(key, certificate)], authority.text, require_client_auth=True)
    domain = secure(MUTUAL, OUTGOING, scheme="https", controller=Controller(server_credentials=mutual))
    node = domain.node(server_credentials=mutual)
    assert registered(domain, node, identity(authority, "n", dns=[node.id])) is True
    node.wait("Reset")
    domain.ready(node)
    domain.client.start()
    assert len(node.running) == 1
    domain.controller.update_where(lambda update: update.capabilities.num_nodes == 1, "the node")


def test_servers_with_a_certificate_for_another_name_are_not_called(secure, authority):
    key, certificate = authority.issue("peer", dns=["elsewhere.example"], addresses=())
    server = grpc.ssl_server_credentials([(key, certificate)])
    domain = secure(SERVER, OUTGOING, scheme="https", controller=Controller(server_credentials=server),
                    credentials=grpc.ssl_channel_credentials(authority.text))
    eventually(lambda: "the controller does not accept the domain's updates" in domain.log(), "it says so")
    assert not domain.controller.updates


def test_the_required_server_name_can_be_configured(secure, authority):
    key, certificate = authority.issue("peer", dns=["elsewhere.example"], addresses=())
    server = grpc.ssl_server_credentials([(key, certificate)])
    domain = secure(SERVER, OUTGOING + 'domain_name = "elsewhere.example"\n', scheme="https",
                    controller=Controller(server_credentials=server),
                    credentials=grpc.ssl_channel_credentials(authority.text))
    domain.controller.update_where(lambda update: True, "an update")


def test_the_configured_name_is_required_even_if_the_certificate_has_the_address(secure, authority):
    key, certificate = authority.issue("peer", dns=["elsewhere.example"])  # and 127.0.0.1
    server = grpc.ssl_server_credentials([(key, certificate)])
    domain = secure(SERVER, OUTGOING + 'domain_name = "another.example"\n', scheme="https",
                    controller=Controller(server_credentials=server),
                    credentials=grpc.ssl_channel_credentials(authority.text))
    eventually(lambda: "the controller does not accept the domain's updates" in domain.log(), "it says so")
    assert not domain.controller.updates


@pytest.mark.parametrize("text", [
    "no toml [", 'server_cert_path = "missing.crt"\nserver_key_path = "own.key"\n', 'server_cert_path = "own.crt"\n',
    'server_key_path = "own.key"\n', 'server_ca_path = "ca.crt"\n', 'server_cert_path = "own.key"\nserver_key_path = "own.crt"\n',
    MUTUAL.replace("ca.crt", "own.key"), SERVER + '[client]\nclient_ca_path = "missing"\n',
    'server_cert_path = ""\nserver_key_path = ""\nserver_ca_path = "ca.crt"\n'],
    ids=["no toml", "missing", "no key", "no certificate", "authority alone", "swapped", "wrong authority", "client", "empty"])
def test_unusable_tls_files_end_the_program(secure, text):
    domain = secure(text, start=False)
    domain.launch()
    assert domain.process.wait(timeout=DEADLINE) == 78
    assert "tls" in domain.log().lower() or "server" in domain.log() or "client" in domain.log()


def test_contradictory_urls_and_tls_settings_are_reported(secure, authority):
    domain = secure(SERVER, start=False)
    for name in ("orchestrator_url", "orchestrator_url_announced", "node_register_url"):
        domain.settings["general"][name] = domain.settings["general"][name].replace("https:", "http:")
    domain.launch()
    eventually(lambda: domain.process.poll() is not None or "http" in domain.log(), "it ends or serves")
    if domain.process.poll() is None:
        eventually(lambda: domain.log().count("use https in its URL") == 3, "each URL is named")
        # EDGELESS decides by the file alone and uses TLS regardless of the scheme, never plaintext.
        plain = Client(domain.orchestrator)
        with pytest.raises(grpc.RpcError):
            plain.functions.Start(spawn(), timeout=5)
        plain.close()
