"""Checks charts/user-info-operator without a cluster. Usage: chart.py USER_INFO_OPERATOR   (the program; HELM is the path of helm)"""
import os
import pathlib
import re
import subprocess
import sys

from checks import check, expect, run
from kube import command, objects

CHART = pathlib.Path(__file__).resolve().parent.parent / "charts" / "user-info-operator"
HELM = os.environ["HELM"]


def template(*options):
    """The manifests of the chart, as a list of (kind, name, text)."""
    return list(objects(command(HELM, "template", "user-info-operator", str(CHART), "--namespace", "ops", *options)))


def refused(message, *options):
    """Fails unless helm refuses the options with a text that contains `message`."""
    done = subprocess.run([HELM, "template", "x", str(CHART), *options], capture_output=True, text=True, check=False)
    expect(done.returncode != 0, f"helm takes {options}")
    expect(message in done.stderr, f"{message!r} is not in: {done.stderr}")


def one(kind, manifests):
    """The only manifest of a kind."""
    found = [text for k, _, text in manifests if k == kind]
    expect(len(found) == 1, f"{len(found)} of kind {kind}")
    return found[0]


@check("helm lint finds nothing")
def lint():
    command(HELM, "lint", "--strict", str(CHART))


@check("the chart carries the definition that the program prints")
def definition():
    copy = (CHART / "crd.yaml").read_text()
    expect(copy == command(sys.argv[1], "crd"), "charts/user-info-operator/crd.yaml is not current: make generate")
    crd = one("CustomResourceDefinition", template())
    expect('helm.sh/resource-policy: keep' in crd, "the definition is not kept on uninstall")
    expect("resource-policy" not in one("CustomResourceDefinition", template("--set", "crd.keep=false")), "crd.keep=false keeps it")
    without = [kind for kind, _, _ in template("--set", "crd.install=false")]
    expect("CustomResourceDefinition" not in without, "crd.install=false installs it")


@check("without watchNamespaces the rules hold everywhere, with them only there")
def scope():
    everywhere = [name for kind, name, _ in template() if kind == "ClusterRoleBinding"]
    expect(everywhere == ["ops:user-info-operator"], f"ClusterRoleBindings: {everywhere}")
    narrow = template("--set", "watchNamespaces={a,b}")
    expect(all(kind != "ClusterRoleBinding" for kind, _, _ in narrow), "a ClusterRoleBinding although namespaces are given")
    places = sorted(re.search(r"^  namespace: (\S+)", text, re.MULTILINE)[1] for kind, name, text in narrow
                    if kind == "RoleBinding" and name == "user-info-operator")
    expect(places == ["a", "b"], f"RoleBindings in {places}")


@check("Helm has an account of its own in each namespace, by roles that say nothing of rights")
def account():
    find = lambda manifests: sorted((kind, name) for kind, name, text in manifests if name.endswith(("-charts", "-pods")))  # noqa: E731
    wide, narrow = template(), template("--set", "watchNamespaces={a,b}")
    expect(find(wide) == [("ClusterRole", "ops:user-info-operator-charts"), ("ClusterRole", "ops:user-info-operator-pods")], f"{find(wide)}")
    each = [("Role", "user-info-operator-charts"), ("Role", "user-info-pods"), ("RoleBinding", "user-info-operator-charts"),
            ("ServiceAccount", "user-info-charts")]
    expect(find(narrow) == sorted(each * 2), f"with watchNamespaces: {find(narrow)}")
    for manifests in [wide, narrow]:
        for kind, name, text in manifests:
            if kind.endswith("Role") and name.endswith(("-charts", "-pods")):
                expect("rbac.authorization.k8s.io" not in text.split("\nrules:")[1], f"{name} has a right about rights")
            expect("escalate" not in text, f"{kind} {name} may escalate")
    expect("--cluster-roles=ops:user-info-operator" in one("Deployment", wide), "the operator is not told which roles to bind")
    expect("--cluster-roles" not in one("Deployment", narrow), "the operator is to bind roles that the chart does not make")
    more = template("--set", "charts.foreign=true", "--set-json", 'charts.extraRules=[{"apiGroups": ["x.io"], "resources": ["ys"], "verbs": ["get"]}]')
    expect("--foreign-charts=true" in one("Deployment", more) and "--foreign-charts=false" in one("Deployment", wide), "charts.foreign")
    having = [name for kind, name, text in more if kind == "ClusterRole" and "x.io" in text]
    expect(having == ["ops:user-info-operator-charts"], f"charts.extraRules are in {having}")


@check("each rule says what it is for, and none gives all")
def rules():
    for kind, name, text in template():
        if kind not in ("Role", "ClusterRole"):
            continue
        lines = text.splitlines()
        for above, line in zip(lines, lines[1:]):
            expect(not line.startswith("- apiGroups") or above.startswith("# "), f"{kind} {name}: no reason above {line}")
        expect("'*'" not in text and '"*"' not in text, f"{kind} {name} has a wildcard")


@check("a disruption budget is made from two replicas on")
def disruption():
    kinds = [kind for kind, _, _ in template("--set", "replicas=1")]
    expect("PodDisruptionBudget" not in kinds, "with one replica it would only block a drain")
    one("PodDisruptionBudget", template("--set", "replicas=2"))


@check("values that cannot be used are refused, with the place")
def values():
    refused("at '/replicas': got string", "--set", "replicas=many")
    refused("at '/charts/foreign': got string", "--set-string", "charts.foreign=true")
    refused("additional properties 'watchNamespace' not allowed", "--set", "watchNamespace=a")
    refused("at '/watchNamespaces/0'", "--set", "watchNamespaces={Upper}")
    refused("install the Prometheus Operator first", "--set", "metrics.serviceMonitor.enabled=true")
    monitor = template("--api-versions", "monitoring.coreos.com/v1/ServiceMonitor", "--set", "metrics.serviceMonitor.enabled=true")
    one("ServiceMonitor", monitor)


sys.exit(run())
