"""What the checks ask of the operator and of a system that it runs: its state, and how its calls fare."""
import collections
import contextlib
import json
import os

from checks import eventually, expect
from kube import Namespace, condition

OPERATOR = Namespace("user-info-e2e-system")
CLIENT_PORT = 8100
# What the limiter refuses on purpose.
REFUSED = ("429", "RATELIMIT")
# Where the images of the addons are that `run` gives to the cluster, if that cannot pull those of Docker Hub.
ADDON_IMAGES = os.environ.get("ADDON_IMAGES")


def addon(name, mode="Managed", **values):
    """What a resource says of an addon or store that it has installed, with an image that the cluster has. Of Grafana there may be none."""
    if mode != "Managed" or (ADDON_IMAGES and name == "grafana"):
        return {"mode": "Disabled"}
    if ADDON_IMAGES:
        values["image"] = {"repository": f"{ADDON_IMAGES}/{name}", "tag": "local"}
    return {"mode": mode, "values": values}


class System:
    """What the operator runs for one UserInfoDeployment."""

    def __init__(self, namespace, name):
        self.namespace = Namespace(namespace)
        self.name = name
        self.uinfo = ("uinfo", name)
        self.servers = {"instance": name, "component": "user-info"}
        self.clients = {"instance": name, "component": "user-client"}

    def resource(self):
        """The UserInfoDeployment."""
        return self.namespace.get(*self.uinfo)

    def patch(self, **spec):
        """Changes the spec."""
        self.namespace.patch(*self.uinfo, {"spec": spec})

    def ready(self, replicas):
        """Expects the object to be Ready, for its newest generation, with that many instances."""
        found = self.resource()
        state, status = condition(found, "Ready"), found.get("status", {})
        said = f"Ready is {state.get('status', 'not set')} ({state.get('reason')}: {state.get('message')})"
        expect(state.get("status") == "True", said)
        expect(state.get("observedGeneration") == found["metadata"]["generation"], f"{said}, of an older generation")
        expect(status.get("readyReplicas") == replicas, f"{said} with {status.get('readyReplicas')} of {replicas} instances ready")
        pods = self.namespace.pods(**self.servers)
        expect(len(pods) == replicas, f"{said} with {len(pods)} pods, not {replicas}")

    def settled(self, replicas):
        """The same, and expects all addons to be up and nothing to be left to do."""
        self.ready(replicas)
        for kind, status in (("AddonsReady", "True"), ("Progressing", "False"), ("Degraded", "False")):
            state = condition(self.resource(), kind)
            expect(state.get("status") == status, f"{kind} is {state.get('status')} ({state.get('reason')}: {state.get('message')})")

    def confirmed(self, replicas):
        """Expects all instances to have confirmed the newest generation."""
        found = self.resource()
        applied, generation = found["status"].get("applied", {}), found["metadata"]["generation"]
        expect((applied.get("generation"), applied.get("instances")) == (generation, replicas),
               f"generation {generation} of {replicas} instances: applied is {json.dumps(applied)}")
        return applied

    def identities(self, **labels):
        """What changes if a pod is replaced or a container restarts."""
        return {(pod["metadata"]["uid"], status["restartCount"])
                for pod in self.namespace.pods(**labels).values() for status in pod["status"].get("containerStatuses", [])}

    @contextlib.contextmanager
    def no_restart(self):
        """Expects the pods of servers and clients to stay, and their containers to go on."""
        find = lambda: self.identities(**self.servers) | self.identities(**self.clients)  # noqa: E731
        before = find()
        yield
        expect(before == find(), "a pod was replaced or restarted")

    def client_metrics(self):
        """The metrics of the only client."""
        pods = list(self.namespace.pods(**self.clients))
        expect(len(pods) == 1, f"client pods: {pods}")
        return self.namespace.metrics(pods[0], CLIENT_PORT)

    def calls(self):
        """Calls of the client so far, by code and reason."""
        counts = collections.Counter()
        for labels, value in self.client_metrics()["bbs_user_client_requests_throughput"]:
            counts[labels["code"], labels["reason"]] += int(value)
        return counts

    def calls_by_instance(self):
        """Calls of the client so far that got through or were refused, by the instance's address."""
        counts = collections.Counter()
        for labels, value in self.client_metrics()["bbs_user_client_instance_requests_total"]:
            counts[labels["instance"]] += int(value)
        return counts

    @contextlib.contextmanager
    def no_failed_call(self):
        """Expects calls to flow before and after, and none of them to fail that the limiter did not refuse."""
        self.flowing()
        before = self.calls()
        yield
        self.flowing()
        made = self.calls() - before
        failed = {f"{code} {reason}": count for (code, reason), count in made.items() if (code, reason) not in (("0", ""), REFUSED)}
        expect(not failed, f"of {made.total()} calls failed: {failed}")

    def flowing(self, seconds=10):
        """Waits until calls succeed."""
        before = self.calls()["0", ""]

        def more():
            expect(self.calls()["0", ""] > before, "no call succeeds")
        eventually(seconds, more)

    def balanced(self, instances, seconds=20):
        """Waits until each of that many instances gets its share of the calls."""
        made = collections.Counter()

        def even():
            before = self.calls_by_instance()
            made.clear()

            def enough():
                made.update(self.calls_by_instance() - before - made)
                expect(made.total() >= 200 * instances, f"too few calls to tell: {dict(made)}")
            eventually(5, enough)
            share = made.total() / instances
            expect(len(made) == instances and all(abs(n - share) <= 0.2 * share for n in made.values()), f"unequal shares: {dict(made)}")
        eventually(seconds, even)
        return ", ".join(f"{address} {count}" for address, count in sorted(made.items()))

    def rolled(self, before, tag):
        """Expects none of the pods `before`, and all to have an image of that tag."""
        pods = self.namespace.pods(**self.servers)
        images = {container["image"] for pod in pods.values() for container in pod["spec"]["containers"]}
        expect(not pods.keys() & before.keys(), f"still there: {sorted(pods.keys() & before.keys())}")
        expect(all(image.endswith(f":{tag}") for image in images), f"images: {images}")

    def diagnose(self):
        """Prints what helps to understand a failure."""
        for namespace, what in ((self.namespace, ("get", "uinfo,horizontalpodautoscalers,deployments,statefulsets,jobs,pods", "--output", "wide")),
                                (self.namespace, ("get", "uinfo", "--output",
                                                  "jsonpath={range .items[*].status.conditions[*]}{@}{\"\\n\"}{end}")),
                                (self.namespace, ("get", "events", "--sort-by", ".lastTimestamp")),
                                (OPERATOR, ("get", "pods", "--output", "wide")),
                                (OPERATOR, ("logs", "--selector", "app.kubernetes.io/component=operator", "--prefix", "--tail", "20"))):
            with contextlib.suppress(Exception):
                print("\n".join(f"       | {line}" for line in namespace.kubectl(*what).splitlines()[-40:]))
