"""Checks Consul, Prometheus, Grafana, MySQL and Redis as the operator installs them. `define` puts the checks among those of node.py."""
import collections
import json
import os
import pathlib
import urllib.parse

from checks import check, eventually, expect, steady
from kube import command
from system import ADDON_IMAGES, OPERATOR, System, addon

TOP = pathlib.Path(__file__).resolve().parent.parent
SHOP = System("user-info-e2e-addons", "shop")
KINDS = ("deployments,statefulsets,replicasets,controllerrevisions,jobs,pods,services,endpointslices,configmaps,secrets,serviceaccounts,roles,"
         "rolebindings,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies,persistentvolumeclaims")
SEED = ('ceil(increase(bbs_user_info_server_requests_duration_sec_bucket{le!="+Inf"}[1m]))',
        "sum(rate(bbs_user_info_server_requests_throughput[1m])) by (operation)")
QUIET = int(os.environ.get("QUIET_SECONDS", "120"))


def spec(replicas, registry, **more):
    """The spec of a system with everything installed."""
    given = {"replicas": replicas, "rateLimiter": {"requestsPerSecond": 2000}, "client": {"requestsPerSecond": 200, "concurrency": 4},
             "data": {"mysql": addon("mysql"), "redis": addon("redis")},
             "addons": {name: addon(name) for name in ("consul", "prometheus", "grafana")}}
    return given | ({"imageRegistry": registry} if registry else {}) | more


def apply(system, wanted):
    """Applies a UserInfoDeployment with this spec."""
    system.namespace.apply({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": system.name},
                            "spec": wanted})


def prometheus(path, system=SHOP):
    """What an installed Prometheus answers."""
    return json.loads(system.namespace.fetch(f"{system.name}-prometheus-0", 9090, path))["data"]


def series(query):
    """The series that Prometheus has for a query."""
    return prometheus(f"/api/v1/query?{urllib.parse.urlencode({'query': query})}")["result"]


def scraped(system, *jobs, others=None):
    """Expects a system's Prometheus to reach all its instances, no others but those of `others`, and something of each job."""
    targets = [target for target in prometheus("/api/v1/targets", system)["activeTargets"] if target["health"] == "up"]
    up = {target["labels"]["instance"].rsplit(":", 1)[0] for target in targets if target["labels"]["job"] == "bbs-user-info"}
    pods = {pod["status"].get("podIP") for one in (system, others) if one for pod in one.namespace.pods(**one.servers).values()}
    expect(up == pods, f"targets: {sorted(up)}, pods: {sorted(map(str, pods))}")
    found = collections.Counter(target["labels"]["job"] for target in targets)
    expect(set(jobs) <= found.keys(), f"jobs: {dict(found)}")


def consul(system, path):
    """What Consul says; whichever server answers is asked."""
    service = f"/api/v1/namespaces/{system.namespace.name}/services/{system.name}-consul:8500/proxy"
    return json.loads(system.namespace.kubectl("get", "--raw", f"{service}{path}"))


def catalog(system=SHOP):
    """The addresses that pass their checks in Consul, each with the servers at which it is registered."""
    found = collections.defaultdict(set)
    for entry in consul(system, "/v1/health/service/bbs.user.info?passing=1"):
        found[entry["Service"]["Address"]].add(entry["Node"]["Node"])
    return found


def registered(replicas):
    """Expects exactly the instances that run to be in Consul."""
    pods = {pod["status"].get("podIP") for pod in SHOP.namespace.pods(**SHOP.servers).values()}
    found = catalog()
    expect(found.keys() == pods and len(pods) == replicas, f"in Consul: {sorted(found)}; pods: {sorted(map(str, pods))}")


def voting():
    """Expects every server of Consul that runs to have a vote, and nobody else: a new one has none for a while after it is ready."""
    pods = {pod["status"].get("podIP") for pod in SHOP.namespace.pods(component="consul", instance=SHOP.name).values()}
    servers = consul(SHOP, "/v1/operator/raft/configuration")["Servers"]
    voters = {server["Address"].rsplit(":", 1)[0] for server in servers if server["Voter"]}
    expect(voters == pods, f"voters: {sorted(voters)}, pods: {sorted(map(str, pods))}")


def revisions():
    """Number and status of the newest revision of each release."""
    newest = {}
    for secret in json.loads(SHOP.namespace.kubectl("get", "secrets", "--selector", "owner=helm", "--output", "json"))["items"]:
        labels = secret["metadata"]["labels"]
        newest[labels["name"]] = max(newest.get(labels["name"], (0, "")), (int(labels["version"]), labels["status"]))
    return newest


def helm_calls():
    """What Helm has done so far, as all replicas of the operator count it."""
    counts = collections.Counter()
    for pod in OPERATOR.pods():
        for labels, value in OPERATOR.metrics(pod, 8080)["user_info_operator_helm_calls_total"]:
            counts[labels["verb"], labels["outcome"]] += int(value)
    return counts


def left(system):
    """Objects of a system, as kind/name."""
    return [f"{item['kind']}/{item['metadata']['name']}" for item in system.namespace.list(KINDS, instance=system.name)]


def install(registry):
    apply(SHOP, spec(3, registry))
    took = eventually(90, lambda: SHOP.settled(3))
    phases = {one["name"]: (one["phase"], one["revision"], one["version"]) for one in SHOP.resource()["status"]["addons"]}
    expect(all(phase == "Ready" and revision == 1 for phase, revision, _ in phases.values()), f"addons: {phases}")
    return f"after {took:.1f} s: {', '.join(phases)}"


def flow():
    SHOP.flowing(20)
    registered(3)
    pods = sorted(SHOP.namespace.pods(**SHOP.servers))
    stores = {labels["store"]: value for labels, value in SHOP.namespace.metrics(pods[0], 8001)["bbs_user_info_store_connected"]}
    expect(all(stores.get(name, 0) > 0 for name in ("mysql", "redis")), f"connected stores: {stores}")
    answer = {}
    eventually(10, lambda: answer.update(json.loads(SHOP.namespace.fetch(pods[0], 8001, "/user_info/1"))))
    expect(answer["user"]["userID"] == "1" and int(answer["user"]["visits"]) > 0, f"{answer}")
    return f"{json.dumps(answer)}; {SHOP.balanced(3)}"


def metrics():
    took = eventually(30, lambda: scraped(SHOP, "bbs-user-client", "consul", "prometheus", "user-info-operator"))
    counts = []
    for query in SEED:
        eventually(30, lambda q=query: expect(series(q), f"no series: {q}"))
        counts.append(len(series(query)))
    return f"all instances after {took:.1f} s; series of the demo's queries: {counts}"


def queries():
    if not ADDON_IMAGES:
        return "not tried, since the pod of Prometheus is not reachable from here"
    address = SHOP.namespace.get("pod", f"{SHOP.name}-prometheus-0")["status"]["podIP"]

    def all_good():
        command(str(TOP / "hack" / "charts" / "queries"), "--url", f"http://{address}:9090", "--expect", "bbs", "--expect", "user_info_operator")
    took = eventually(60, all_good, every=3)
    return f"after {took:.0f} s"


def quiet():
    _, calls = steady(QUIET, lambda: (revisions(), helm_calls()), every=5)
    return f"{QUIET} s: {dict(calls)}"


def one_revision():
    before, calls = revisions(), helm_calls()
    values = addon("redis", maxMemory="65mb")
    with SHOP.no_failed_call():
        SHOP.patch(data={"redis": values})
        release = f"{SHOP.name}-redis"
        eventually(30, lambda: expect(revisions()[release] == (2, "deployed"), f"{revisions()[release]}"))
        eventually(60, lambda: SHOP.settled(3))
    made = helm_calls() - calls
    expect(revisions() == before | {release: (2, "deployed")}, f"{before} became {revisions()}")
    expect(made == {("upgrade", "ok"): 1}, f"calls of helm: {dict(made)}")


def broken_values():
    before = SHOP.identities(**SHOP.servers)
    with SHOP.no_failed_call():
        SHOP.patch(addons={"prometheus": {"values": {"scrapeInterval": "fast"}}})

        def told():
            states = {state["type"]: state for state in SHOP.resource()["status"]["conditions"]}
            expect(states["Degraded"]["reason"] == "ValuesRefused" and states["Ready"]["status"] == "True", f"{states}")
        took = eventually(20, told)
        said = next(state["message"] for state in SHOP.resource()["status"]["conditions"] if state["type"] == "Degraded")
        SHOP.patch(addons={"prometheus": {"values": {"scrapeInterval": None}}})
        eventually(30, lambda: SHOP.settled(3))
    expect(before == SHOP.identities(**SHOP.servers), "an instance was replaced or restarted")
    return f"after {took:.1f} s: {said}"


def three_servers():
    def elsewhere():
        registered(3)
        found = catalog()
        expect(all(servers - {victim} for servers in found.values()), f"registered at: {dict(found)}")
    values = addon("consul", replicas=3)
    SHOP.patch(addons={"consul": values})
    grown = eventually(180, lambda: (SHOP.settled(3), registered(3), voting()))
    # The one that most instances have registered with.
    nodes = collections.Counter(node for servers in catalog().values() for node in servers)
    victim = nodes.most_common(1)[0][0]
    with SHOP.no_failed_call():
        SHOP.namespace.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        moved = eventually(90, elsewhere)
        # Before a new server votes, another one must not fail.
        eventually(180, lambda: (SHOP.settled(3), voting()))
    with SHOP.no_failed_call():
        SHOP.namespace.kubectl("delete", "pods", "--selector", f"app.kubernetes.io/component=consul,app.kubernetes.io/instance={SHOP.name}",
                               "--grace-period=0", "--force")
        eventually(240, lambda: SHOP.settled(3))
        back = eventually(90, lambda: registered(3))
    return f"three after {grown:.0f} s; {victim} killed, all registered elsewhere after {moved:.0f} s; all killed, after {back:.0f} s"


def define(registry):
    """Puts the checks of addons among the others."""
    check("empty namespace to Ready with managed addons and stores in less than 90 s", vital=True)(lambda: install(registry))
    check("calls flow through them, with users of MySQL and page views of Redis")(flow)
    check("Prometheus has every instance as a target, and the demo's two queries have series")(metrics)
    check("every query of dashboards and alerts is valid, and has data")(queries)
    check("without a change: no call of helm, no new revision")(quiet)
    check("a changed value: exactly one new revision of that release only")(one_revision)
    check("broken values are told in one sentence, and the services go on")(broken_values)
    check("three Consul servers: one killed, no call fails; all killed, and instances register again by themselves")(three_servers)
