"""How the checks reach a cluster: through kubectl, as whoever KUBECONFIG names or as a service account of Berth."""

import base64
import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = "berth-system"


class Failed(Exception):
    """What is not as promised."""


class Skipped(Exception):
    """Something that the check needs is not there. Says what."""


class Cluster:
    """A cluster, and what was made in it."""

    def __init__(self, work):
        self.work = Path(work)
        self.kubectl_path = subprocess.run([ROOT / "Scripts/kubectl"], check=True, capture_output=True,
                                           text=True).stdout.strip()
        self.namespace = f"berth-e2e-{os.getpid()}"
        self.made = []
        self.config = os.environ.get("KUBECONFIG") or Path.home() / ".kube/config"
        found = json.loads(self.kubectl("config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
        found["contexts"][0]["context"]["namespace"] = self.namespace
        self.config = self.write("admin", found)

    def write(self, name, config):
        """Writes a kubeconfig."""
        path = self.work / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def run(self, *words, text=None, config=None):
        """Runs kubectl to its end, in the namespace of the checks unless the words name another."""
        environment = dict(os.environ, KUBECONFIG=str(config or self.config))
        return subprocess.run([self.kubectl_path, *map(str, words)], input=text, capture_output=True, text=True,
                              env=environment)

    def kubectl(self, *words, text=None, config=None):
        """What kubectl prints."""
        done = self.run(*words, text=text, config=config)
        if done.returncode:
            raise Failed(f"kubectl {' '.join(map(str, words))}: {done.stderr.strip()}")
        return done.stdout.strip()

    def read(self, *words):
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def find(self, *words):
        """An object; None where it is not there."""
        found = self.kubectl("get", *words, "--ignore-not-found", "-o", "json")
        return json.loads(found) if found else None

    def apply(self, *objects, words=()):
        """Applies objects, and remembers those of them that were not there before."""
        done = self.run("apply", *words, "-f", "-", text="\n---\n".join(map(json.dumps, objects)))
        self.made += [value for value in objects if f"{named(value)} created" in done.stdout.splitlines()]
        if done.returncode:
            raise Failed(f"kubectl apply: {done.stderr.strip()}")

    def remove(self):
        """Removes what was made, in the reverse order."""
        for value in reversed(self.made):
            self.run("-n", value["metadata"].get("namespace", self.namespace), "delete", named(value),
                     "--ignore-not-found", "--timeout=60s")

    def until(self, what, test, seconds=60):
        """Waits until a test gives something that counts, and returns that."""
        end = time.monotonic() + seconds
        last = ""
        while True:
            try:
                if found := test():
                    return found
            except (Failed, KeyError, IndexError, TypeError, StopIteration) as error:
                last = f": {error}" if isinstance(error, Failed) else f": {error!r}"
            if time.monotonic() > end:
                raise Failed(f"{what}: not after {seconds} s{last}")
            time.sleep(0.2)

    def account(self, name):
        """The kubeconfig of a service account of Berth."""
        token = self.kubectl("-n", SYSTEM, "create", "token", name)
        config = json.loads(self.config.read_text())
        config["users"] = [{"name": name, "user": {"token": token}}]
        config["contexts"] = [{"name": name, "context": {
            "cluster": config["clusters"][0]["name"], "user": name, "namespace": SYSTEM}}]
        config["current-context"] = name
        return self.write(name, config)

    def patch_as(self, config, path, change):
        """Patches an object as a service account. `kubectl patch` would read it first, which the account may not."""
        config = json.loads(config.read_text())
        server = config["clusters"][0]["cluster"]
        authority = server.get("certificate-authority-data")
        context = ssl.create_default_context(cadata=base64.b64decode(authority).decode() if authority else None)
        # The name may be another one (tls-server-name).
        context.check_hostname = "tls-server-name" not in server
        request = urllib.request.Request(
            server["server"] + path, json.dumps(change).encode(), method="PATCH", headers={
                "Content-Type": "application/merge-patch+json",
                "Authorization": f"Bearer {config['users'][0]['user']['token']}"})
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"PATCH {path}: {error.read().decode()}") from error
        except OSError as error:
            raise Failed(f"PATCH {path}: {error}") from error


def named(value):
    """An object's name as kubectl prints it."""
    group, slash, _ = value["apiVersion"].rpartition("/")
    return f"{value['kind'].lower()}{'.' if slash else ''}{group}/{value['metadata']['name']}"


def binding(name, pod, cpus, level="CPU"):
    return {"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": name},
            "spec": {"podName": pod, "exclusivenessLevel": level, "cpuSet": [{"cpuID": cpu} for cpu in cpus]}}
