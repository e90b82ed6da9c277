"""Compares what the operator asks of the API server with the rules that its chart gives it. Usage: rights.py USER_INFO_OPERATOR

Needs a control plane without a node (`hack/cluster/up --control-plane`) that writes an audit log; HELM is the path of helm, RUN the folder of
the cluster. The operator runs as in a pod: as the chart's service account, bound to the chart's roles and nothing more. A stand-in for the
kubelet says of pods that they run. Makes the namespaces user-info-rights and user-info-rights-system."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from checks import check, eventually, expect, run
from kube import Namespace, command, condition

TOP = pathlib.Path(__file__).resolve().parent.parent
RUN = pathlib.Path(os.environ["RUN"])
OPERATOR, HELM = str(pathlib.Path(sys.argv[1]).resolve()), os.environ["HELM"]
OPS, SYSTEM = Namespace("user-info-rights"), Namespace("user-info-rights-system")
ACCOUNT = f"system:serviceaccount:{OPS.name}:user-info-operator"
ADDONS = ["consul", "prometheus", "grafana", "mysql", "redis"]
LIMIT = 120

# Rights that the course of events below need not use, each with what does.
ELSEWHERE = {
    ("", "pods", "watch"): "held to be granted: a Prometheus that finds instances through Kubernetes may",
    ("", "persistentvolumeclaims", "delete"): "for claims that the StatefulSet's own controller has not removed by then",
    ("userinfo.bbs.dev", "userinfodeployments", "get"): "reads an object that another version's definition let in, and this one cannot take",
}

MONITORS = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com", "scope": "Namespaced",
        "names": {"plural": "servicemonitors", "singular": "servicemonitor", "kind": "ServiceMonitor"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
    },
}

SPEC = {
    "networkPolicy": {"enabled": True},
    "disruption": {"maxUnavailable": 1},
    "autoscaling": {"mode": "Managed", "minReplicas": 2, "maxReplicas": 3},
    "server": {"resources": {"requests": {"cpu": "50m"}}},
    "data": {"mysql": {"mode": "Managed", "persistence": {"size": "1Gi"}}, "redis": {"mode": "Managed"}},
    "addons": {
        "consul": {"values": {"replicas": 3}},
        "prometheus": {"valuesFrom": [{"kind": "ConfigMap", "name": "more"}]},
        "grafana": {},
    },
}


def rendered():
    """The chart's manifests, as texts."""
    text = command(HELM, "template", "user-info-operator", str(TOP / "charts" / "user-info-operator"), "--namespace", OPS.name)
    return [part for part in re.split(r"^---\n", text, flags=re.MULTILINE) if "\nkind: " in part]


def rules():
    """Every right of the chart's roles, as (group, resource, verb), by the API server's reading of them."""
    found = set()
    for kind in ["clusterrole", "role"]:
        for role in json.loads(OPS.kubectl("get", kind, "--selector", "app.kubernetes.io/name=user-info-operator", "--output", "json"))["items"]:
            if "aggregate" in json.dumps(role["metadata"].get("labels", {})):
                continue  # for people
            for rule in role["rules"]:
                found |= {(g, r, v) for g in rule.get("apiGroups", []) for r in rule.get("resources", []) for v in rule["verbs"]}
    return found


def asked():
    """The requests of the operator and of its Helm, from the audit log."""
    for line in (RUN / "log" / "audit.json").read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] == ACCOUNT:
            yield event


class Kubelet(threading.Thread):
    """Says of every pod that it runs and is ready, and of those of jobs that they have succeeded."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(0.3):
            done = subprocess.run(["kubectl", "get", "pods", "--namespace", SYSTEM.name, "--output", "json"], capture_output=True, check=False)
            for pod in json.loads(done.stdout or '{"items": []}')["items"]:
                self.look(pod)

    def look(self, pod):
        name, meta = pod["metadata"]["name"], pod["metadata"]
        if "deletionTimestamp" in meta:
            subprocess.run(["kubectl", "delete", "pod", name, "--namespace", SYSTEM.name, "--force", "--grace-period=0"],
                           capture_output=True, check=False)
        elif pod["status"].get("phase") == "Pending":
            job = any(owner["kind"] == "Job" for owner in meta.get("ownerReferences", []))
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            conditions = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in ["Ready", "ContainersReady", "PodScheduled", "Initialized"]]
            status = {"phase": "Succeeded" if job else "Running", "podIP": "127.0.0.1", "conditions": conditions}
            subprocess.run(["kubectl", "patch", "pod", name, "--namespace", SYSTEM.name, "--subresource", "status", "--patch",
                            json.dumps({"status": status})], capture_output=True, check=False)


KUBELET = Kubelet()
PROCESS = {}


def start():
    """Starts the operator with the files that a pod has, in a mount namespace of its own."""
    folder = pathlib.Path(tempfile.mkdtemp())
    token = OPS.kubectl("create", "token", "user-info-operator").strip()
    for name, text in [("token", token), ("namespace", OPS.name), ("ca.crt", (RUN / "pki" / "ca.crt").read_text())]:
        (folder / name).write_text(text)
    secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f'mount -t tmpfs none /run && mkdir -p {secrets} && cp "$0"/* {secrets} && exec "$@"'
    env = {**os.environ, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443", "POD_NAMESPACE": OPS.name}
    env.pop("KUBECONFIG")
    log = (RUN / "log" / "operator.log").open("w")
    arguments = [OPERATOR, "run", "--helm", HELM, "--charts", str(TOP / "charts"), "--listen", "127.0.0.1:8080"]
    PROCESS["folder"] = folder
    PROCESS["operator"] = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, str(folder), *arguments], env=env, stdout=log, stderr=log)


def resource():
    return SYSTEM.get("userinfodeployment", "demo")


def settled():
    """Fails unless the operator has seen the last change and all addons are ready."""
    now = resource()
    ready = condition(now, "AddonsReady")
    expect(ready.get("status") == "True" and ready.get("observedGeneration") == now["metadata"]["generation"], f"AddonsReady: {ready}")


def releases():
    labels = SYSTEM.kubectl("get", "secrets", "--selector", "owner=helm", "--output", "jsonpath={.items[*].metadata.labels.name}")
    return set(labels.split())


@check("the operator starts as the chart's service account", vital=True)
def begin():
    for namespace in [OPS, SYSTEM]:
        namespace.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}})
    kinds = re.compile(r"^kind: (ServiceAccount|(Cluster)?Role(Binding)?|CustomResourceDefinition)$", re.MULTILINE)
    for part in rendered():
        if kinds.search(part):
            OPS.kubectl("apply", "--server-side", "--filename", "-", stdin=part)
    OPS.apply(MONITORS)
    for name in ["userinfodeployments.userinfo.bbs.dev", MONITORS["metadata"]["name"]]:
        OPS.kubectl("wait", "--for", "condition=Established", "crd", name, "--timeout", "60s")
    start()
    eventually(LIMIT, lambda: expect(any(asked()), "no request"))
    KUBELET.start()


@check("a system with everything is installed", vital=True)
def install():
    SYSTEM.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"values.yaml": "scrapeInterval: 10s\n"}})
    SYSTEM.apply({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": SPEC})
    eventually(LIMIT, lambda: expect(releases() == {f"demo-{name}" for name in ADDONS}, f"releases: {releases()}"), every=1)
    eventually(LIMIT, settled, every=1)


@check("it is scaled, changed live, mended and has addons changed and taken away")
def change():
    patch = lambda spec: SYSTEM.patch("userinfodeployment", "demo", {"spec": spec})  # noqa: E731
    patch({"rateLimiter": {"requestsPerSecond": 7}, "client": {"replicas": 2}})
    eventually(LIMIT, settled, every=1)
    SYSTEM.kubectl("delete", "deployment", "demo-user-client")
    eventually(LIMIT, lambda: SYSTEM.get("deployment", "demo-user-client"))
    patch({"image": {"tag": "next"}, "addons": {"consul": {"values": {"replicas": 1}}, "prometheus": {"values": {"scrapeInterval": "20s"}}}})
    eventually(LIMIT, settled, every=1)
    patch({"autoscaling": None, "disruption": None, "networkPolicy": None, "client": {"enabled": False},
           "addons": {"consul": {"mode": "Disabled"}, "prometheus": {"serviceMonitor": "Disabled"}}})
    # Without a registry Prometheus asks the API server, and is given the rights to.
    eventually(LIMIT, lambda: SYSTEM.get("rolebinding", "demo-prometheus"), every=1)
    patch({"addons": {"prometheus": {"values": {"scrapeInterval": "30s"}}}})
    eventually(LIMIT, settled, every=1)


@check("it is removed, with its releases and its data, and the operator stops")
def remove():
    SYSTEM.kubectl("delete", "userinfodeployment", "demo", "--timeout", f"{LIMIT}s")
    expect(not releases(), f"releases: {releases()}")
    PROCESS["operator"].terminate()
    PROCESS["operator"].wait(LIMIT)


@check("no request was denied")
def denied():
    forbidden = sorted({f"{e['verb']} {e['requestURI'].split('?')[0]}" for e in asked()
                        if e["annotations"].get("authorization.k8s.io/decision") == "forbid"})
    expect(not forbidden, f"denied: {forbidden}")
    return f"{sum(1 for _ in asked())} requests"


@check("every right was used")
def used():
    seen = set()
    for event in asked():
        if target := event.get("objectRef"):
            name = "/".join(filter(None, [target["resource"], target.get("subresource")]))
            seen.add((target.get("apiGroup", ""), name, event["verb"]))
            # To apply what is not there is a patch that takes the right to create.
            if event["verb"] == "patch" and event["responseStatus"].get("code") == 201:
                seen.add((target.get("apiGroup", ""), name, "create"))
    idle = rules() - seen - set(ELSEWHERE)
    expect(not idle, f"never used: {sorted(idle)}")
    return f"{len(rules())} rights"


def diagnose():
    """The end of the operator's log."""
    log = RUN / "log" / "operator.log"
    print(log.read_text()[-3000:] if log.exists() else "the operator has not been started")


if __name__ == "__main__":
    status = run(diagnose)
    KUBELET.stopped.set()
    if "operator" in PROCESS and PROCESS["operator"].poll() is None:
        PROCESS["operator"].kill()
    if "folder" in PROCESS:
        shutil.rmtree(PROCESS["folder"])
    sys.exit(status)
