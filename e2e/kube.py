"""The parts of kubectl that the checks use, what Helm makes of a chart, and the services' metrics."""
import collections
import json
import re
import subprocess

from checks import expect

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def command(*args, stdin=None):
    """The standard output of a program that has to succeed."""
    done = subprocess.run(args, input=stdin, capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"{' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def objects(text):
    """The objects in what `helm template` prints, as (kind, name, text)."""
    for part in re.split(r"^---\n", text, flags=re.MULTILINE):
        if kind := re.search(r"^kind: (\S+)", part, re.MULTILINE):
            yield kind[1], re.search(r'^  name: "?([^"\s]+)', part, re.MULTILINE)[1], part


class Namespace:
    """One namespace of the cluster."""

    def __init__(self, name):
        self.name = name

    def kubectl(self, *args, stdin=None):
        """The output of kubectl in this namespace."""
        return command("kubectl", "--namespace", self.name, *args, stdin=stdin)

    def create(self):
        """Makes the namespace, one that takes restricted pods only."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}})

    def apply(self, manifest):
        """Applies an object as whoever writes manifests does."""
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(manifest))

    def get(self, kind, name):
        """An object."""
        return json.loads(self.kubectl("get", kind, name, "--output", "json"))

    def list(self, kinds, **labels):
        """The objects of some kinds that have the given labels."""
        selector = ",".join(f"app.kubernetes.io/{key}={value}" for key, value in labels.items())
        return json.loads(self.kubectl("get", kinds, "--selector", selector, "--output", "json"))["items"]

    def pods(self, **labels):
        """Pods that are not being deleted, by name."""
        return {pod["metadata"]["name"]: pod for pod in self.list("pods", **labels) if "deletionTimestamp" not in pod["metadata"]}

    def patch(self, kind, name, patch):
        """Merges `patch` into an object."""
        self.kubectl("patch", kind, name, "--type", "merge", "--patch", json.dumps(patch))

    def fetch(self, pod, port, path):
        """What a pod answers over HTTP, by way of the API server."""
        return self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{pod}:{port}/proxy{path}")

    def metrics(self, pod, port):
        """A pod's metrics: for each name a list of labels and value."""
        found = collections.defaultdict(list)
        for line in self.fetch(pod, port, "/metrics").splitlines():
            if sample := SAMPLE.match(line):
                name, labels, value = sample.groups()
                found[name].append((dict(LABEL.findall(labels or "")), float(value)))
        return found


def condition(resource, kind):
    """A condition of an object, `{}` if it has none."""
    return next((c for c in resource.get("status", {}).get("conditions", []) if c["type"] == kind), {})
