"""Compares what the operator, its Helm and Prometheus ask of the API server with the rules that the operator's chart gives them.
Usage: rights.py USER_INFO_OPERATOR

Needs a control plane without a node (`hack/cluster/up --control-plane`) that writes an audit log; HELM is the path of helm, RUN the folder of
the cluster. The operator runs as in a pod: as the chart's service account, bound to the chart's roles and nothing more. A stand-in for the
kubelet says of pods that they run. Makes the namespaces user-info-rights and user-info-rights-system."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from checks import Failed, check, eventually, expect, run
from kube import Namespace, command, condition, objects

TOP = pathlib.Path(__file__).resolve().parent.parent
RUN = pathlib.Path(os.environ["RUN"])
OPERATOR, HELM = str(pathlib.Path(sys.argv[1]).resolve()), os.environ["HELM"]
OPS, SYSTEM = Namespace("user-info-rights"), Namespace("user-info-rights-system")
ACCOUNT = f"system:serviceaccount:{OPS.name}:user-info-operator"
CHARTS = f"system:serviceaccount:{SYSTEM.name}:user-info-charts"
PROMETHEUS = f"system:serviceaccount:{SYSTEM.name}:demo-prometheus"
ROLES = f"{OPS.name}:user-info-operator"
ADDONS = ["consul", "prometheus", "grafana", "mysql", "redis"]
LIMIT = 120

# Rights that the course of events below need not use, each with what does.
ELSEWHERE = {
    ("", "services", "get"): "takes back the ports of a Service that someone else changed",
    ("rbac.authorization.k8s.io", "roles", "delete"): "a Role that version 0.1.0 had its chart of Prometheus make",
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


def rights(role):
    """Every right of a role, as (group, resource, verb)."""
    return {(g, r, v) for rule in role["rules"] for g in rule.get("apiGroups", []) for r in rule.get("resources", []) for v in rule["verbs"]}


def rules():
    """Every right of the operator's own roles, by the API server's reading of them."""
    found = set()
    for kind in ["clusterrole", "role"]:
        for role in json.loads(OPS.kubectl("get", kind, "--selector", "app.kubernetes.io/name=user-info-operator", "--output", "json"))["items"]:
            if "aggregate" in json.dumps(role["metadata"].get("labels", {})):  # that is for people
                continue
            if role["metadata"]["name"] not in [f"{ROLES}-charts", f"{ROLES}-pods"]:  # those it only binds
                found |= rights(role)
    return found


def events():
    """The requests of all accounts, from the audit log."""
    for line in (RUN / "log" / "audit.json").read_text().splitlines():
        yield json.loads(line)


def asked(account=ACCOUNT):
    """The requests of an account; those that the operator's Helm makes are of whom it acts as."""
    for event in events():
        if event.get("impersonatedUser", event["user"])["username"] == account:
            yield event


def refused(account=ACCOUNT):
    """What was denied to an account."""
    return sorted({f"{e['verb']} {e['requestURI'].split('?')[0]}" for e in asked(account)
                   if e.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid" or e.get("responseStatus", {}).get("code") == 403})


def delegated():
    """The rights that the operator uses by having others act: as the account that it acts as, and by the roles that it binds."""
    seen = set()
    for event in events():
        if event.get("impersonatedUser", {}).get("username") == CHARTS and event["user"]["username"] == ACCOUNT:
            seen.add(("", "serviceaccounts", "impersonate"))
    for binding in json.loads(SYSTEM.kubectl("get", "rolebindings", "--output", "json"))["items"]:
        if binding["roleRef"]["kind"] == "ClusterRole":
            seen.add(("rbac.authorization.k8s.io", "clusterroles", "bind", binding["roleRef"]["name"]))
    return seen


def exercised(account=ACCOUNT):
    """The rights that an account has made use of."""
    seen = set()
    for event in asked(account):
        if target := event.get("objectRef"):
            name = "/".join(filter(None, [target["resource"], target.get("subresource")]))
            seen.add((target.get("apiGroup", ""), name, event["verb"]))
            # To apply what is not there is a patch that takes the right to create.
            if event["verb"] == "patch" and event["responseStatus"].get("code") == 201:
                seen.add((target.get("apiGroup", ""), name, "create"))
    return seen


class Kubelet(threading.Thread):
    """Says of every pod that it runs and is ready, and of those of jobs that they have succeeded."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.resting = False

    def run(self):
        while not self.stopped.wait(0.3):
            if self.resting:
                continue
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
STARTED = {}
USED = set()


def start(namespace, account, *arguments, **environment):
    """Starts a program with the files that a pod of this service account has, in a mount namespace of its own."""
    folder = pathlib.Path(tempfile.mkdtemp())
    token = namespace.kubectl("create", "token", account).strip()
    for name, text in [("token", token), ("namespace", namespace.name), ("ca.crt", (RUN / "pki" / "ca.crt").read_text())]:
        (folder / name).write_text(text)
    secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f'mount -t tmpfs none /run && mkdir -p {secrets} && cp "$0"/* {secrets} && exec "$@"'
    env = {**os.environ, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443", **environment}
    env.pop("KUBECONFIG")
    log = (RUN / "log" / f"{account}.log").open("w")
    process = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, str(folder), *arguments], env=env, stdout=log, stderr=log)
    STARTED[account] = process, folder


def stop(account):
    """Ends the program of an account, and waits for that."""
    process, folder = STARTED.pop(account)
    process.terminate()
    process.wait(LIMIT)
    shutil.rmtree(folder)


def resource():
    return SYSTEM.get("userinfodeployment", "demo")


def told(kind, status):
    """Fails unless the operator has seen the last change and gives the condition this status."""
    now = resource()
    told = condition(now, kind)
    expect(told.get("status") == status and told.get("observedGeneration") == now["metadata"]["generation"], f"{kind}: {told}")


def settled():
    told("AddonsReady", "True")


def releases():
    labels = SYSTEM.kubectl("get", "secrets", "--selector", "owner=helm", "--output", "jsonpath={.items[*].metadata.labels.name}")
    return set(labels.split())


@check("the operator starts as the chart's service account", vital=True)
def begin():
    for namespace in [OPS, SYSTEM]:
        namespace.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name}})
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition")
    chart = command(HELM, "template", "user-info-operator", str(TOP / "charts" / "user-info-operator"), "--namespace", OPS.name)
    for kind, _, text in objects(chart):
        if kind in kinds:
            OPS.kubectl("apply", "--server-side", "--filename", "-", stdin=text)
    OPS.apply(MONITORS)
    for name in ["userinfodeployments.userinfo.bbs.dev", MONITORS["metadata"]["name"]]:
        OPS.kubectl("wait", "--for", "condition=Established", "crd", name, "--timeout", "60s")
    start(OPS, "user-info-operator", OPERATOR, "run", "--helm", HELM, "--charts", str(TOP / "charts"), "--listen", "127.0.0.1:8080",
          "--cluster-roles", ROLES, POD_NAMESPACE=OPS.name)
    eventually(LIMIT, lambda: expect(any(asked()), "no request"))
    KUBELET.start()


@check("a system with everything is installed", vital=True)
def install():
    SYSTEM.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}, "data": {"values.yaml": "scrapeInterval: 10s\n"}})
    SYSTEM.apply({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": SPEC})
    eventually(LIMIT, lambda: expect(releases() == {f"demo-{name}" for name in ADDONS}, f"releases: {releases()}"), every=1)
    eventually(LIMIT, settled, every=1)
    eventually(LIMIT, lambda: told("Ready", "True"), every=1)


@check("it is scaled, changed live, mended and has addons changed and taken away")
def change():
    patch = lambda spec: SYSTEM.patch("userinfodeployment", "demo", {"spec": spec})  # noqa: E731
    # That it is ready for a second time is the same Event again, which is patched.
    KUBELET.resting = True
    patch({"rateLimiter": {"requestsPerSecond": 7}, "client": {"replicas": 2}})
    eventually(LIMIT, lambda: told("Ready", "False"), every=1)
    KUBELET.resting = False
    eventually(LIMIT, settled, every=1)
    eventually(LIMIT, lambda: told("Ready", "True"), every=1)
    SYSTEM.kubectl("delete", "deployment", "demo-user-client")
    eventually(LIMIT, lambda: SYSTEM.get("deployment", "demo-user-client"))
    patch({"image": {"tag": "next"}, "addons": {"consul": {"values": {"replicas": 1}}, "prometheus": {"values": {"scrapeInterval": "20s"}}}})
    eventually(LIMIT, settled, every=1)
    patch({"autoscaling": None, "disruption": None, "networkPolicy": None, "client": {"enabled": False},
           "addons": {"consul": {"mode": "Disabled"}, "prometheus": {"serviceMonitor": "Disabled"}}})
    # Without a registry Prometheus asks the API server, and is given the rights to.
    eventually(LIMIT, lambda: expect(SYSTEM.list("rolebindings", instance="demo", component="prometheus"), "no binding"), every=1)
    patch({"addons": {"prometheus": {"values": {"scrapeInterval": "30s"}}}})
    eventually(LIMIT, settled, every=1)
    # Before all of it goes: what the operator gave, and to whom.
    given = {name for _, _, verb, name in (right for right in delegated() if len(right) == 4)}
    expect(given == {f"{ROLES}-charts", f"{ROLES}-pods"}, f"bound: {given}")
    USED.update(right[:3] for right in delegated())


@check("Prometheus finds the instances with the rights that the operator gives it, and uses all of them")
def prometheus():
    role = OPS.get("clusterrole", f"{ROLES}-pods")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in SYSTEM.get("configmap", "demo-prometheus")["data"].items():
            pathlib.Path(folder, name).write_text(text)
        start(SYSTEM, "demo-prometheus", "prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
              "--web.listen-address=127.0.0.1:9090")

        def found():
            try:
                with urllib.request.urlopen("http://127.0.0.1:9090/api/v1/targets") as answer:
                    targets = json.load(answer)["data"]["activeTargets"]
            except OSError as error:
                raise Failed(f"Prometheus: {error}") from None
            pods = {target["labels"]["pod"] for target in targets if target["labels"]["job"] == "bbs-user-info"}
            expect(pods == set(SYSTEM.pods(instance="demo", component="user-info")), f"targets: {pods}")
            return pods
        try:
            eventually(LIMIT, found)
            pods = found()
            expect(not refused(PROMETHEUS), f"denied: {refused(PROMETHEUS)}")
            # An API server that does not stream lists is asked for one.
            idle = rights(role) - exercised(PROMETHEUS) - {("", "pods", "list")}
            expect(not idle, f"never used: {sorted(idle)}")
        finally:
            stop("demo-prometheus")
    return f"{len(pods)} pods; {len(rights(role))} rights"


@check("it is removed, with its releases and its data, and the operator stops")
def remove():
    SYSTEM.kubectl("delete", "userinfodeployment", "demo", "--timeout", f"{LIMIT}s")
    expect(not releases(), f"releases: {releases()}")
    left = SYSTEM.kubectl("get", "serviceaccounts,rolebindings", "--field-selector", "metadata.name=user-info-charts", "--output", "name")
    expect(not left, f"left: {left}")
    stop("user-info-operator")


@check("no request was denied, neither to the operator nor to its Helm")
def denied():
    for account in [ACCOUNT, CHARTS]:
        expect(not refused(account), f"denied to {account}: {refused(account)}")
    return f"{sum(1 for _ in asked())} requests, {sum(1 for _ in asked(CHARTS))} of Helm"


@check("every right was used")
def used():
    idle = rules() - exercised() - USED - set(ELSEWHERE)
    expect(not idle, f"never used: {sorted(idle)}")
    return f"{len(rules())} rights"


@check("Helm used every right of its account, which has none about rights and none that `edit` lacks")
def account():
    role = rights(OPS.get("clusterrole", f"{ROLES}-charts"))
    idle = role - exercised(CHARTS)
    expect(not idle, f"never used: {sorted(idle)}")
    expect(not [right for right in role if right[0] == "rbac.authorization.k8s.io"], "a right about rights")
    beyond = role - rights(OPS.get("clusterrole", "edit"))
    expect(not beyond, f"not in edit: {sorted(beyond)}")
    return f"{len(role)} rights"


@check("Helm was nobody but the account")
def acted():
    others = {event["user"]["username"] for event in events() if event.get("userAgent", "").startswith("Helm/") and "impersonatedUser" not in event}
    expect(not others, f"Helm was {others}")
    expect(any(event.get("userAgent", "").startswith("Helm/") for event in asked(CHARTS)), "no request of Helm")


def diagnose():
    """The ends of the logs."""
    for account in ["user-info-operator", "demo-prometheus"]:
        log = RUN / "log" / f"{account}.log"
        print(f"{account}: {log.read_text()[-3000:] if log.exists() else 'has not been started'}")


if __name__ == "__main__":
    status = run(diagnose)
    KUBELET.stopped.set()
    for name in list(STARTED):
        stop(name)
    sys.exit(status)
