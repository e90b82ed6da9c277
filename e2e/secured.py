"""Checks TLS and mutual TLS of a system: certificates from a Secret, which are renewed while it runs. `define` puts the check among the others."""
import pathlib
import tempfile

from checks import check, eventually, expect
from kube import command

NAME = "certificate"
ADMIN_PORT = 8002


class Authority:
    """Signs certificates for the instances of a system, which its client shows, too."""

    def __init__(self, system, folder):
        self.system, self.folder = system, pathlib.Path(folder)
        self.openssl("req", "-x509", *self.key("ca.key"), "-days", "30", "-subj", "/CN=authority", "-out", self.path("ca.crt"))

    def path(self, name):
        """A file of its own."""
        return str(self.folder / name)

    def key(self, name):
        """Options of openssl for a new key."""
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(name)]

    def openssl(self, *args):
        """Runs openssl."""
        command("openssl", *args)

    def issue(self):
        """Puts a new certificate and its key into the Secret."""
        self.openssl("req", *self.key("tls.key"), "-subj", "/CN=user-info", "-out", self.path("request"))
        (self.folder / "names").write_text(f"subjectAltName=DNS:{self.system.name}-user-info\n")
        self.openssl("x509", "-req", "-in", self.path("request"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                     "-days", "30", "-extfile", self.path("names"), "-out", self.path("tls.crt"))
        files = {name: (self.folder / name).read_text() for name in ("ca.crt", "tls.crt", "tls.key")}
        self.system.namespace.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "stringData": files})


def renewal(system):
    secret = {"name": NAME}
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(system, folder)
        authority.issue()
        system.patch(server={"metricsPort": ADMIN_PORT, "tls": {"secretName": NAME, "clientCaSecretRef": secret}}, client={"tls": {"secretName": NAME}})
        try:
            eventually(90, lambda: system.settled(3))
            system.flowing(30)

            def renewed():
                for pod in system.namespace.pods(**system.servers):
                    reloads = sum(value for _, value in system.namespace.metrics(pod, ADMIN_PORT)["bbs_user_info_tls_reloads_total"])
                    expect(reloads == 1, f"{pod} has taken up {reloads:.0f} new certificates")
            with system.no_restart(), system.no_failed_call():
                authority.issue()
                # The kubelet looks at mounted Secrets about once a minute.
                took = eventually(150, renewed, every=1)
        finally:
            system.patch(server={"metricsPort": None, "tls": None}, client={"tls": None})
        eventually(90, lambda: system.settled(3))
        system.flowing(30)
    return f"new certificates are in use after {took:.0f} s"


def define(system):
    """Puts the check among the others."""
    check("mutual TLS: certificates from a Secret, renewed without a restart or a failed call")(lambda: renewal(system))
