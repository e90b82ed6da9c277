"""What the checks ask of the operator and of the system that it runs: its state, and how its calls fare."""
import collections
import contextlib
import json

from checks import eventually, expect
from kube import Namespace, condition

OPERATOR = Namespace("user-info-e2e-system")
SYSTEM = Namespace("user-info-e2e")
NAME = "quickstart"
UINFO = ("uinfo", NAME)
SERVERS = {"instance": NAME, "component": "user-info"}
CLIENTS = {"instance": NAME, "component": "user-client"}
CLIENT_PORT = 8100
# What the limiter refuses on purpose.
REFUSED = ("429", "RATELIMIT")


def resource():
    """The UserInfoDeployment."""
    return SYSTEM.get(*UINFO)


def patch(**spec):
    """Changes the spec."""
    SYSTEM.patch(*UINFO, {"spec": spec})


def ready(replicas):
    """Expects the object to be Ready, for its newest generation, with that many instances."""
    found = resource()
    state, status = condition(found, "Ready"), found.get("status", {})
    said = f"Ready is {state.get('status', 'not set')} ({state.get('reason')}: {state.get('message')})"
    expect(state.get("status") == "True", said)
    expect(state.get("observedGeneration") == found["metadata"]["generation"], f"{said}, of an older generation")
    expect(status.get("readyReplicas") == replicas, f"{said} with {status.get('readyReplicas')} of {replicas} instances ready")
    expect(len(SYSTEM.pods(**SERVERS)) == replicas, f"{said} with {len(SYSTEM.pods(**SERVERS))} pods, not {replicas}")


def confirmed(replicas):
    """Expects all instances to have confirmed the newest generation."""
    found = resource()
    applied, generation = found["status"].get("applied", {}), found["metadata"]["generation"]
    expect((applied.get("generation"), applied.get("instances")) == (generation, replicas),
           f"generation {generation} of {replicas} instances: applied is {json.dumps(applied)}")
    return applied


def identities(**labels):
    """What changes if a pod is replaced or a container restarts."""
    return {(pod["metadata"]["uid"], status["restartCount"])
            for pod in SYSTEM.pods(**labels).values() for status in pod["status"].get("containerStatuses", [])}


def client_metrics():
    """The metrics of the only client."""
    pods = list(SYSTEM.pods(**CLIENTS))
    expect(len(pods) == 1, f"client pods: {pods}")
    return SYSTEM.metrics(pods[0], CLIENT_PORT)


def calls():
    """Calls of the client so far, by code and reason."""
    counts = collections.Counter()
    for labels, value in client_metrics()["bbs_user_client_requests_throughput"]:
        counts[labels["code"], labels["reason"]] += int(value)
    return counts


def calls_by_instance():
    """Calls of the client so far that got through or were refused, by the instance's address."""
    counts = collections.Counter()
    for labels, value in client_metrics()["bbs_user_client_instance_requests_total"]:
        counts[labels["instance"]] += int(value)
    return counts


@contextlib.contextmanager
def no_failed_call():
    """Expects calls to flow before and after, and none of them to fail that the limiter did not refuse."""
    flowing()
    before = calls()
    yield
    flowing()
    made = calls() - before
    failed = {f"{code} {reason}": count for (code, reason), count in made.items() if (code, reason) not in (("0", ""), REFUSED)}
    expect(not failed, f"of {made.total()} calls failed: {failed}")


def flowing(seconds=10):
    """Waits until calls succeed."""
    before = calls()["0", ""]

    def more():
        expect(calls()["0", ""] > before, "no call succeeds")
    eventually(seconds, more)


def balanced(instances, seconds=20):
    """Waits until each of that many instances gets its share of the calls."""
    made = collections.Counter()

    def even():
        before = calls_by_instance()
        made.clear()

        def enough():
            made.update(calls_by_instance() - before - made)
            expect(made.total() >= 200 * instances, f"too few calls to tell: {dict(made)}")
        eventually(5, enough)
        share = made.total() / instances
        expect(len(made) == instances and all(abs(n - share) <= 0.2 * share for n in made.values()), f"unequal shares: {dict(made)}")
    eventually(seconds, even)
    return ", ".join(f"{address} {count}" for address, count in sorted(made.items()))


def rolled(before, tag):
    """Expects none of the pods `before`, and all to have an image of that tag."""
    pods = SYSTEM.pods(**SERVERS)
    images = {container["image"] for pod in pods.values() for container in pod["spec"]["containers"]}
    expect(not pods.keys() & before.keys(), f"still there: {sorted(pods.keys() & before.keys())}")
    expect(all(image.endswith(f":{tag}") for image in images), f"images: {images}")


def diagnose():
    """Prints what helps to understand a failure."""
    for namespace, what in ((SYSTEM, ("get", "uinfo,horizontalpodautoscalers,deployments,pods", "--output", "wide")),
                            (SYSTEM, ("get", "uinfo", "--output", "jsonpath={range .items[*].status.conditions[*]}{@}{\"\\n\"}{end}")),
                            (SYSTEM, ("get", "events", "--sort-by", ".lastTimestamp")),
                            (OPERATOR, ("get", "pods", "--output", "wide")),
                            (OPERATOR, ("logs", "--selector", "app.kubernetes.io/component=operator", "--prefix", "--tail", "20"))):
        with contextlib.suppress(Exception):
            print("\n".join(f"       | {line}" for line in namespace.kubectl(*what).splitlines()[-40:]))
