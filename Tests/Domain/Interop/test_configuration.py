"""Settings, options, exits: sections 2.1, 2.2; X4, X5; W3, W4, W21, W22, W27."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

import pytest
from controller import Controller
from domain import PROGRAM, run
from waiting import eventually, free_port, listens

KEYS = {
    "general": ["domain_register_url", "subscription_refresh_interval_sec", "domain_id", "orchestrator_url",
                "orchestrator_url_announced", "node_register_url"],
    "baseline": ["orchestration_strategy"],
    "proxy": ["proxy_type", "proxy_gc_period_seconds", "redis_url"],
    "proxy.dataset_settings": ["dataset_path", "append", "additional_fields", "additional_header"],
}


@pytest.fixture
def directory():
    with tempfile.TemporaryDirectory(prefix="berth-interop.") as path:
        yield path


def test_the_template_has_the_keys_of_edgeless_in_order(directory):
    assert run("-t", "new.toml", directory=directory).returncode == 0
    text = open(os.path.join(directory, "new.toml"), encoding="utf-8").read()
    sections, section = {}, None
    for line in text.splitlines():
        if match := re.match(r"\[(.*)\]", line):
            section = sections.setdefault(match[1], [])
        elif match := re.match(r"(\w+) *=", line):
            section.append(match[1])
    assert list(sections.items()) == list(KEYS.items())
    for line in ('domain_id = "domain-7000"', 'orchestrator_url = "http://127.0.0.1:7003"', "proxy_gc_period_seconds = 360",
                 'orchestration_strategy = "Random"', 'proxy_type = "None"', "subscription_refresh_interval_sec = 2"):
        assert line in text


def test_a_template_never_overwrites_a_file(directory):  # X5
    path = os.path.join(directory, "existing.toml")
    open(path, "w", encoding="utf-8").write("mine")
    ended = run("-t", "existing.toml", directory=directory)
    assert ended.returncode == 73 and "existing.toml" in ended.stderr
    assert open(path, encoding="utf-8").read() == "mine"


def test_the_version_and_the_help_are_printed(directory):
    assert re.fullmatch(r"\d+\.\d+\.\d+(-\S+)?\n", run("--version", directory=directory).stdout)
    assert "--config-file" in run("-h", directory=directory).stdout


@pytest.mark.parametrize("text", [None, "no toml at all [", "[general]\nsubscription_refresh_interval_sec = 0\n",
                                  "[general]\nsubscription_refresh_interval_sec = -1\n",
                                  "[general]\nsubscription_refresh_interval_sec = \"2\"\n",
                                  "[general]\norchestrator_url = \"nonsense\"\n", "[baseline]\norchestration_strategy = \"random\"\n",
                                  "[general]\ndomain_id = 7\n", "[proxy]\nproxy_gc_period_seconds = -1\n",
                                  "[general]\nlease_min_seconds = 10\nlease_max_seconds = 5\n"])
def test_an_invalid_configuration_exits_with_78_and_a_reason(directory, text):
    if text is not None:
        open(os.path.join(directory, "orchestrator.toml"), "w", encoding="utf-8").write(text)
    ended = run("--state-dir", os.path.join(directory, "state"), directory=directory)
    assert ended.returncode == 78 and ended.stderr.strip(), ended


@pytest.mark.parametrize("proxy", ["", 'proxy_type = "none"\nredis_url = "redis://localhost:6379"\n'])
def test_the_seed_snippet_loads_and_missing_keys_have_defaults(make_domain, proxy):  # X4
    domain = make_domain(start=False)
    path = domain.configure()
    text = open(path, encoding="utf-8").read().split("[baseline]")[0] + ("[proxy]\n" + proxy if proxy else "")
    domain.configure = lambda: open(path, "w", encoding="utf-8").write(text)
    domain.start()
    domain.node().join()
    domain.client.start()


@pytest.mark.parametrize("written", [
    lambda text: text.replace("\n", "\r\n"), lambda text: text.replace("[general]", "[ general ]"),
    lambda text: text.replace("[general]", '["general"]'),
    lambda text: text + 'dataset_settings = {dataset_path = "", append = true, additional_fields = "", additional_header = ""}\n',
    lambda text: text + "colour = {red = 1}\n", lambda text: text + "[[extra]]\na = 1\n"],
    ids=["CRLF", "spaces", "quotes", "braces", "unknown braces", "unknown array of tables"])
def test_every_form_of_toml_is_accepted(make_domain, written):
    domain = make_domain(start=False)
    path = domain.configure()
    text = written(open(path, encoding="utf-8").read())
    domain.configure = lambda: open(path, "w", encoding="utf-8", newline="").write(text)
    domain.start()
    assert domain.controller.update_where(lambda update: True, "an update").domain_id == "domain-7000"


def test_a_section_that_is_not_a_table_exits_with_78(make_domain):
    domain = make_domain(start=False)
    path = domain.configure()
    text = "proxy = 5\n" + open(path, encoding="utf-8").read().split("[proxy]")[0]
    domain.configure = lambda: open(path, "w", encoding="utf-8").write(text)
    domain.launch()
    eventually(lambda: domain.process.poll() is not None or listens(domain.orchestrator), "it ends or serves")
    assert domain.process.poll() == 78


@pytest.mark.parametrize("proxy_type", ["NONE", "reDIS", "Mongo"])
def test_the_proxy_type_is_case_insensitive_and_an_unknown_one_disables_the_mirror(make_domain, proxy_type, database):
    domain = make_domain(redis=database.url, settings={"proxy.proxy_type": proxy_type})
    domain.node().join()
    if proxy_type == "reDIS":
        database.value("domain_info:domain_id")
    else:
        assert not database.redis.keys()
    if proxy_type == "Mongo":
        assert "Mongo" in domain.log()


def test_unknown_keys_are_logged_and_ignored(make_domain):
    domain = make_domain(settings={"general.colour": "red", "other.key": 1, "general.node_register_coap_url": "coap://127.0.0.1:7050"})
    domain.node().join()
    assert "colour" in domain.log() and "coap" in domain.log()


@pytest.mark.parametrize("level", [
    "edgeless_orc=debug,info", "nonsense", "", "trace", ",", "=debug", "a=", "a[b=c]=d/e",
    "=",
    "info,="])
def test_every_log_filter_is_accepted_and_unknown_levels_are_logged(make_domain, monkeypatch, level):
    monkeypatch.setenv("RUST_LOG", level)
    domain = make_domain()
    domain.node().join()
    assert ("RUST_LOG" in domain.log()) == (level in ("nonsense", "=", "info,="))


@pytest.mark.parametrize("which", ["orchestrator", "register", "status_port"])
def test_an_address_in_use_exits_with_69(make_domain, which):  # W22
    domain = make_domain(start=False)
    with socket.create_server(("127.0.0.1", getattr(domain, which))) as taken:
        domain.launch()
        assert domain.process.wait(timeout=40) == 69
        assert str(taken.getsockname()[1]) in domain.log()
    assert not domain.controller.updates, "nobody is told of a domain that cannot be reached"


def test_a_foreign_address_exits_with_69(make_domain):  # W22
    domain = make_domain(start=False)
    domain.settings["general"]["orchestrator_url"] = "http://192.0.2.1:7003"
    domain.launch()
    assert domain.process.wait(timeout=40) == 69


def test_localhost_is_resolved_and_served(make_domain):  # 2.2: EDGELESS silently does not listen
    domain = make_domain(start=False)
    domain.settings["general"]["orchestrator_url"] = f"http://localhost:{domain.orchestrator}"
    domain.launch()
    eventually(lambda: domain.process.poll() is not None or listens(domain.orchestrator), "it listens or ends")
    assert domain.process.poll() is None and listens(domain.orchestrator)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_orderly_even_while_the_controller_hangs(make_domain, number):
    controller = Controller()
    controller.hook = lambda update: time.sleep(3)
    domain = make_domain(controller=controller)
    domain.node().join()
    began = time.monotonic()
    assert domain.end(number) == 0
    assert time.monotonic() - began < 30


def test_invalid_options_exit_with_64(directory):
    assert run("--nonsense", directory=directory).returncode == 64


def test_it_runs_under_the_name_edgeless_orc_d(directory):
    link = os.path.join(directory, "edgeless_orc_d")
    os.symlink(PROGRAM, link)
    ended = subprocess.run([link, "--version"], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0 and re.match(r"\d+\.\d+\.\d+", ended.stdout)


def get(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, ""


def test_status_and_metrics_show_nodes_and_instances(domain):
    domain.node(labels=["hostname=n1"]).join()
    domain.client.start()
    assert get(domain.status_port, "/healthz")[0] == 200
    assert get(domain.status_port, "/nonsense")[0] == 404
    assert get(domain.status_port, "/status.json", "POST")[0] in (404, 405)
    metrics = eventually(lambda: (lambda text: text if 'kind="function",state="placed"} 1' in text else None)(
        get(domain.status_port, "/metrics")[1]), "the function in the metrics")
    for line in ('berth_domain_nodes{state="ready"} 1', 'berth_domain_requests_total{outcome="accepted",request="start"} 1',
                 "berth_domain_state_writable 1"):
        assert line in metrics, metrics
    assert "n1" in get(domain.status_port, "/")[1]
    eventually(lambda: domain.status()["instances"], "the function in the status")
    shown = domain.status()
    assert (shown["nodes"][0]["hostname"], shown["instances"][0]["class"]) == ("n1", "doubler")


def test_the_proxy_command_shows_the_mirror_and_submits_intents(make_domain, database):  # 5.8
    domain = make_domain(redis=database.url)
    node, other = domain.join(domain.node(labels=["hostname=n1"], providers=[("p", "rc-1")], cpus=4, cores=2, frequency=2000.0),
                              domain.node(labels=["hostname=n2"]))
    from node import resource, spawn
    f = domain.client.start(spawn(annotations={"node_id_match_any": f"{node.id},{other.id}"}))
    r = domain.client.start(resource())
    database.value(f"instance:{r}")

    def proxy(*arguments):
        return run("proxy", "-r", database.url, *arguments, directory=domain.directory)
    here = node if node.of("StartFunction") else other
    there = other if here is node else node
    assert proxy("show", "functions").stdout == f"{f} -> {here.id}\n"
    assert proxy("show", "resources").stdout == f"{r} -> n1\n"
    assert proxy("--node-print-format", "uuid", "show", "resources").stdout == f"{r} -> {node.id}\n"
    assert f"{f} -> {here.of('StartFunction')[0].of}\n" in proxy("show", "logical-to-physical").stdout
    assert "n1 -> 4 M CPU(s) at 2000 BogoMIPS".replace("M CPU", "CPU") in proxy("show", "node", "capabilities").stdout.replace(
        "  CPU", " CPU")
    assert "p -> class_type rc-1, node_id n1, outputs []" in proxy("show", "node", "resource-providers").stdout
    moved = proxy("intent", "migrate", "--wait", f, there.id)
    assert moved.returncode == 0, moved
    assert proxy("show", "functions").stdout == f"{f} -> {there.id}\n"
    assert proxy("intent", "migrate", "--wait", f, there.id).returncode == 1
    assert proxy("intent", "cordon", "--wait", node.id).returncode == 0
    assert domain.client.refused(resource()).summary == "class type not found"
