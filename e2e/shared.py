"""Checks addons and stores that a system shares: volumes, an ACL, and one system's servers as External ones of another's. `define` puts the
checks after those of addons.py, whose system they take further and end."""
import json
import uuid

from addons import SHOP, apply, catalog, left, revisions, scraped, spec
from checks import check, eventually, expect
from kube import condition
from system import System, addon

# Whose servers are the other's External ones.
OTHER = System(SHOP.namespace.name, "other")
# Of the administrator of its Consul.
TOKEN = {"name": "consul-token", "token": str(uuid.uuid4())}


def volumes(registry):
    # The servers of this system are External to the other one afterwards.
    SHOP.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": TOKEN["name"]}, "stringData": {"token": TOKEN["token"]}})
    acl = {"enabled": True, "existingSecret": TOKEN["name"]}
    apply(OTHER, spec(1, registry, client={"enabled": False},
                      data={"mysql": addon("mysql") | {"persistence": {}, "retainData": True},
                            "redis": addon("redis") | {"persistence": {}}},
                      addons={"consul": addon("consul", acl=acl), "grafana": {"mode": "Disabled"},
                              "prometheus": addon("prometheus") | {"persistence": {"storageClass": "none"}}}))

    def told():
        state = condition(OTHER.resource(), "Degraded")
        expect((state.get("status"), state.get("reason")) == ("True", "VolumeUnbound"), f"Degraded: {state}")
        OTHER.ready(1)
    took = eventually(120, told)
    said = condition(OTHER.resource(), "Degraded")["message"]
    OTHER.patch(addons={"prometheus": {"mode": "Disabled", "persistence": None}})
    eventually(60, lambda: expect(f"{OTHER.name}-prometheus" not in revisions(), f"{revisions()}"))
    OTHER.patch(addons={"prometheus": {"mode": "Managed"}})
    eventually(90, lambda: OTHER.settled(1))
    claims = {claim["metadata"]["name"]: claim["status"]["phase"] for claim in OTHER.namespace.list("persistentvolumeclaims", instance=OTHER.name)}
    expect(claims == {f"data-{OTHER.name}-{store}-0": "Bound" for store in ("mysql", "redis")}, f"claims: {claims}")
    return f"after {took:.0f} s: {said}"


def token():
    # The list is that of someone without a token.
    expect(not catalog(OTHER), f"in Consul: {catalog(OTHER)}")
    return f"after {eventually(60, lambda: scraped(OTHER, 'consul', 'prometheus')):.1f} s"


def external():
    name = OTHER.name
    with SHOP.no_failed_call():
        SHOP.patch(
            data={"mysql": {"mode": "External", "values": None, "address": f"{name}-mysql:3306", "secretRef": {"name": f"{name}-mysql"}},
                  "redis": {"mode": "External", "values": None, "address": f"{name}-redis:6379", "secretRef": {"name": f"{name}-redis"}}})
        eventually(90, lambda: SHOP.settled(3))
    SHOP.patch(addons={"consul": {"mode": "External", "values": None,
                                  "external": {"address": f"{name}-consul:8500", "secretRef": {"name": TOKEN["name"]}}}})
    eventually(120, lambda: SHOP.settled(3))
    SHOP.flowing(30)
    eventually(60, lambda: scraped(OTHER, others=SHOP))
    # Without a Consul of its own the Prometheus of the system asks the API server.
    kubernetes = eventually(90, lambda: scraped(SHOP, "bbs-user-client"))
    SHOP.patch(addons={"prometheus": {"mode": "External", "values": None, "external": {"address": f"http://{name}-prometheus:9090"}},
                       "grafana": {"mode": "External", "values": None, "external": {"address": "http://grafana.example.com"}}})
    eventually(120, lambda: SHOP.settled(3))
    SHOP.flowing(30)
    eventually(60, lambda: expect(not [release for release in revisions() if release.startswith(SHOP.name)], f"releases: {revisions()}"))
    endpoints = {one["name"]: (one["mode"], one["endpoint"]) for one in SHOP.resource()["status"]["addons"]}
    expect(len(endpoints) == 5 and all(mode == "External" for mode, _ in endpoints.values()), f"{endpoints}")
    return f"instances found through Kubernetes after {kubernetes:.1f} s; {json.dumps(endpoints)}"


def end():
    # Of the store whose data are retained.
    kept = {OTHER.name: {f"PersistentVolumeClaim/data-{OTHER.name}-mysql-0", f"Secret/{OTHER.name}-mysql"}}
    took = []
    for system in (SHOP, OTHER):
        count = len(left(system))
        system.namespace.kubectl("delete", *system.uinfo, "--timeout=120s")
        rest = kept.get(system.name, set())
        seconds = eventually(60, lambda s=system, r=rest: expect(set(left(s)) == r, f"left: {left(s)}"))
        took.append(f"{count - len(rest)} objects in {seconds:.0f} s")
    expect(not revisions(), f"releases: {revisions()}")
    return f"{', '.join(took)}; kept: {', '.join(sorted(kept[OTHER.name]))}"


def define(registry):
    """Puts the checks of what is shared among the others."""
    check("volumes are bound; one that cannot be is told in a sentence, until that is mended")(lambda: volumes(registry))
    check("a Consul with an ACL: services and Prometheus have a token, and nobody else sees them")(token)
    check("External instead of Managed, all five; Prometheus finds instances through Kubernetes where Consul is not managed")(external)
    check("after their end nothing is left but the data that are to be kept")(end)
