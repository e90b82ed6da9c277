"""Checks the operator and the system it runs on a node. Uses the cluster of KUBECONFIG; `run` gives it the images."""
import contextlib
import json
import os
import pathlib
import sys

from checks import check, eventually, expect, run
from kube import command, condition
from system import OPERATOR, System, addon

import addons
import secured
import shared

TOP = pathlib.Path(__file__).resolve().parent.parent
CHART = TOP / "charts" / "user-info-operator"
HELM = os.environ["HELM"]
VERSION = os.environ["VERSION"]
REGISTRY = os.environ.get("IMAGE_REGISTRY")

QUICK = System("user-info-e2e", "quickstart")
SYSTEM, NAME, UINFO, SERVERS, CLIENTS = QUICK.namespace, QUICK.name, QUICK.uinfo, QUICK.servers, QUICK.clients
balanced, calls, confirmed, flowing, identities = QUICK.balanced, QUICK.calls, QUICK.confirmed, QUICK.flowing, QUICK.identities
no_failed_call, no_restart, patch, ready = QUICK.no_failed_call, QUICK.no_restart, QUICK.patch, QUICK.ready
resource, rolled = QUICK.resource, QUICK.rolled

DEFINITION = "userinfodeployments.userinfo.bbs.dev"
RELEASE = "user-info-operator"


@check("helm installs the operator, and both replicas become ready", vital=True)
def operator():
    OPERATOR.create()
    SYSTEM.create()
    addons.SHOP.namespace.create()
    repository = f"{REGISTRY}/user-info-operator" if REGISTRY else "user-info-operator"
    # A definition that is there already belongs to someone else's release, or to none.
    command(HELM, "install", RELEASE, str(CHART), "--namespace", OPERATOR.name, "--set", f"image.repository={repository}",
            "--set", f"crd.install={'false' if KNOWN else 'true'}")

    def up():
        status = OPERATOR.get("deployment", RELEASE)["status"]
        expect(status.get("readyReplicas") == 2, f"ready replicas: {status.get('readyReplicas', 0)}")
    return f"after {eventually(60, up):.1f} s"


@check("the quickstart is Ready within 30 s", vital=True)
def quickstart():
    manifest = json.loads(SYSTEM.kubectl("create", "--dry-run=client", "--output", "json", "--filename",
                                         str(TOP / "manifests" / "samples" / "quickstart.yaml")))
    expect(manifest["metadata"]["name"] == NAME and manifest["spec"]["replicas"] == 3, "the quickstart is not what the checks expect")
    if REGISTRY:
        manifest["spec"]["imageRegistry"] = REGISTRY
    # The checks of addons have a system of their own.
    manifest["spec"]["addons"] = {"consul": addon("consul"), "prometheus": {"mode": "Disabled"}, "grafana": {"mode": "Disabled"}}
    SYSTEM.apply(manifest)
    return f"after {eventually(30, lambda: ready(3)):.1f} s"


@check("calls flow, in equal shares to the three instances", vital=True)
def flow():
    flowing(20)
    return balanced(3)


@check("HTTP gives a user, and the address of the instance")
def reply():
    name, pod = sorted(SYSTEM.pods(**SERVERS).items())[0]
    answer = {}
    # The limiter refuses most calls.
    eventually(10, lambda: answer.update(json.loads(SYSTEM.fetch(name, 8001, "/user_info/1"))))
    expect(answer["user"]["userID"] == "1" and answer["ipAddr"] == f"{pod['status']['podIP']}:9001", f"{answer}")
    return json.dumps(answer)


@check("kubectl get uinfo tells what matters")
def table():
    text = SYSTEM.kubectl("get", "uinfo").strip()
    header, row = (line.split() for line in text.splitlines())
    expect(header[:5] == ["NAME", "READY", "REPLICAS", "DESIRED", "LIMIT"], text)
    expect(row[:4] == [NAME, "True", "3", "3"], text)
    return "\n" + text


@check("kubectl scale: five instances, and three again, without a failed call")
def scale():
    with no_failed_call():
        SYSTEM.kubectl("scale", *UINFO, "--replicas=5")
        up = eventually(30, lambda: ready(5))
        shares = balanced(5)
        SYSTEM.kubectl("scale", *UINFO, "--replicas=3")
        down = eventually(30, lambda: ready(3))
    return f"up in {up:.1f} s, down in {down:.1f} s; {shares}"


@check("a new limit is confirmed by all instances within 2 s, without a restart or a failed call")
def limiter():
    with no_restart(), no_failed_call():
        patch(rateLimiter={"requestsPerSecond": 777, "burst": 3})
        took = eventually(2, lambda: confirmed(3), every=0.05)
    limit = confirmed(3)["rateLimiter"]
    expect((limit["requestsPerSecond"], limit["burst"]) == (777, 3), f"applied: {limit}")
    return f"after {took:.1f} s"


@check("faults set in are felt, and those taken back are gone, without a restart")
def faults():
    with no_restart():
        patch(faultInjection={"abort": {"httpStatus": 418, "reason": "TEAPOT", "percentage": 20}})
        try:
            eventually(5, lambda: expect(calls()["418", "TEAPOT"] > 0, "no call fails by the fault"))
        finally:
            patch(faultInjection=None)
        eventually(5, lambda: confirmed(3))
        with no_failed_call():
            pass


@check("a child that is deleted or edited is as before within 5 s")
def drift():
    name = f"{NAME}-user-info"
    uid = SYSTEM.get("service", name)["metadata"]["uid"]
    SYSTEM.kubectl("delete", "service", name)

    def again():
        names = [s["metadata"]["name"] for s in SYSTEM.list("services", **SERVERS) if s["metadata"]["uid"] != uid]
        expect(name in names, f"services: {names}")
    deleted = eventually(5, again)

    SYSTEM.patch("deployment", name, {"spec": {"replicas": 1, "revisionHistoryLimit": 9}})

    def mended():
        spec = SYSTEM.get("deployment", name)["spec"]
        found = spec["replicas"], spec["revisionHistoryLimit"]
        expect(found[0] == 3 and found[1] != 9, f"replicas and revisionHistoryLimit: {found}")
    edited = eventually(5, mended)
    eventually(30, lambda: ready(3))
    return f"deleted: {deleted:.1f} s, edited: {edited:.1f} s"


@check("autoscaling Managed: load brings more instances, its end fewer")
def autoscaling():
    if not command("kubectl", "get", "apiservice", "v1beta1.metrics.k8s.io", "--ignore-not-found"):
        return "not tried, since the cluster has no metrics server"
    patch(server={"resources": {"requests": {"cpu": "50m"}}}, rateLimiter={"requestsPerSecond": 2000},
          autoscaling={"mode": "Managed", "minReplicas": 2, "maxReplicas": 4, "targetCPUUtilization": 50,
                       "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}})
    try:
        up = eventually(120, lambda: ready(4))
        patch(client={"concurrency": 0})
        down = eventually(120, lambda: ready(2))
    finally:
        patch(client={"concurrency": 8}, server={"resources": None}, autoscaling=None, replicas=3)
    eventually(60, lambda: ready(3))
    flowing()
    return f"up in {up:.0f} s, down in {down:.0f} s"


@check("a new image is rolled out without a failed call")
def image():
    before = SYSTEM.pods(**SERVERS)
    current = resource()["spec"]["image"]
    with no_failed_call():
        # The client keeps the image it has, so that one client sees all of it.
        patch(image={"tag": f"{VERSION}-next"}, client={"image": current})
        took = eventually(60, lambda: (ready(3), rolled(before, f"{VERSION}-next")))
    return f"after {took:.1f} s"


@check("an image that is not there leaves what runs untouched, and the object says so")
def bad_image():
    before = identities(**SERVERS)

    def told():
        state = condition(resource(), "Degraded")
        expect((state["status"], state["reason"]) == ("True", "ImageUnusable"), f"Degraded: {state}")
    with no_failed_call():
        patch(image={"tag": "missing", "pullPolicy": "Never"})
        try:
            took = eventually(30, told)
            said = condition(resource(), "Degraded")["message"]
            expect(before <= identities(**SERVERS), "an instance was stopped")
        finally:
            patch(image={"tag": f"{VERSION}-next", "pullPolicy": "IfNotPresent"})
        eventually(30, lambda: ready(3))
    eventually(10, lambda: expect(condition(resource(), "Degraded")["status"] == "False", "Degraded stays"))
    return f"after {took:.1f} s: {said}"


secured.define(QUICK)
addons.define(REGISTRY)
shared.define(REGISTRY)


@check("the leader is gone at once: the other one carries on")
def takeover():
    lease = OPERATOR.get("lease", RELEASE)["spec"]["holderIdentity"]
    leader = next((pod for pod in OPERATOR.pods() if pod in lease), None)
    expect(leader is not None, f"holder {lease!r} names none of {sorted(OPERATOR.pods())}")
    with no_failed_call():
        OPERATOR.kubectl("delete", "pod", leader, "--grace-period=0", "--force")
        patch(rateLimiter={"requestsPerSecond": 1500, "burst": 1})
        took = eventually(45, lambda: confirmed(3))
    eventually(30, lambda: ready(3))
    return f"{took:.1f} s"


@check("helm upgrade narrows the operator to one namespace, where it may still do all it has to")
def narrow():
    command(HELM, "upgrade", RELEASE, str(CHART), "--namespace", OPERATOR.name, "--reuse-values", "--set", "replicas=1",
            "--set", f"watchNamespaces={{{SYSTEM.name}}}")
    OPERATOR.kubectl("rollout", "status", f"deployment/{RELEASE}", "--timeout=90s")
    everywhere = [item["metadata"]["name"] for item in OPERATOR.list("clusterrolebindings", instance=RELEASE)]
    expect(not everywhere, f"rights in the whole cluster: {everywhere}")
    optional = "poddisruptionbudgets,networkpolicies"
    patch(disruption={"maxUnavailable": 1}, networkPolicy={"enabled": True}, rateLimiter={"requestsPerSecond": 1000})
    eventually(20, lambda: expect(len(SYSTEM.list(optional, instance=NAME)) > 1, "no disruption budget or network policy"))
    eventually(10, lambda: confirmed(3))
    patch(disruption=None, networkPolicy=None)
    eventually(10, lambda: expect(not SYSTEM.list(optional, instance=NAME), "disruption budget or network policy stays"))
    # The replicas from before watched the whole cluster, and may be told that they no longer may until they are gone.
    log = "".join(OPERATOR.kubectl("logs", pod) for pod in OPERATOR.pods(instance=RELEASE, component="operator"))
    expect(log, "the operator has logged nothing")
    refused = [line for line in log.splitlines() if "forbidden" in line.lower()]
    expect(not refused, f"the operator was refused: {refused[:3]}")


@check("after kubectl delete nothing is left")
def delete():
    count = len(SYSTEM.list(addons.KINDS, instance=NAME))
    SYSTEM.kubectl("delete", *UINFO, "--timeout=30s")

    def gone():
        left = [f"{item['kind']}/{item['metadata']['name']}" for item in SYSTEM.list(addons.KINDS, instance=NAME)]
        expect(not left, f"left: {', '.join(left)}")
    return f"{count} objects in {eventually(45, gone):.1f} s"


@check("helm uninstall keeps the definition and leaves nothing else")
def uninstall():
    command(HELM, "uninstall", RELEASE, "--namespace", OPERATOR.name, "--wait", "--timeout", "60s")
    OPERATOR.get("crd", DEFINITION)
    left = [f"{item['kind']}/{item['metadata']['name']}"
            for item in OPERATOR.list("deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,"
                                      "poddisruptionbudgets", instance=RELEASE)]
    expect(not left, f"left: {', '.join(left)}")


def clean_up():
    """Removes the namespaces, and the definition if the checks brought it."""
    for system in (QUICK, addons.SHOP, shared.OTHER):
        with contextlib.suppress(Exception):
            system.namespace.patch(*system.uinfo, {"metadata": {"finalizers": None}})
    with contextlib.suppress(Exception):
        command(HELM, "uninstall", RELEASE, "--namespace", OPERATOR.name)
    command("kubectl", "delete", "namespace", SYSTEM.name, addons.SHOP.namespace.name, OPERATOR.name, "--ignore-not-found", "--wait=false")
    if not KNOWN:
        command("kubectl", "delete", "crd", DEFINITION, "--ignore-not-found")


KNOWN = command("kubectl", "get", "crd", DEFINITION, "--ignore-not-found", "--output", "name")
try:
    CODE = run(lambda: (QUICK.diagnose(), addons.SHOP.diagnose()))
finally:
    clean_up()
sys.exit(CODE)
