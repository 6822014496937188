"""What a driver asks of Kubernetes, of a server that speaks these few requests, and how it takes refusals."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jpasbatch.compute.clusters.kubernetes import KubernetesCluster
from jpasbatch.compute.clusters.kubernetes_api import open_api
from jpasbatch.compute.clusters.kubernetes_manifest import cluster_manifest, secret_manifest
from jpasbatch.errors import InputError, TryAgainError

PODS = KubernetesCluster("a/b:1").pods("run-1", "survey")
CONFIGURATION = """
apiVersion: v1
kind: Config
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{token: abc}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me, namespace: survey}}}}]
current-context: here
"""


class Server(ThreadingHTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict]] = []
        self.status = 201
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)) or 0)
        content = json.loads(body) if body else {}
        status = 200
        if self.command in ("POST", "DELETE"):
            status = self.server.status
            self.server.asked.append((self.command, self.path, content))
        answer = {"major": "1", "minor": "34", "gitVersion": "v1.34.0", "message": "told so", **content}
        if self.command == "POST" and status == 201:
            answer["metadata"] = {**content["metadata"], "uid": "uid-42"}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch, tmp_path):
    kr8s = pytest.importorskip("kr8s", reason="needs kr8s, of the extra 'kubernetes'")
    # it keeps one client a thread for ever, and each test has a server of its own
    monkeypatch.setattr(kr8s.Api, "_instances", {})
    with Server() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        (tmp_path / "config").write_text(CONFIGURATION.format(port=found.server_port))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        yield found
        found.shutdown()


def test_a_cluster_is_created_and_deleted(server):
    api = open_api()
    assert api.namespace == "survey"
    manifest = cluster_manifest(PODS)
    uid = api.create(manifest)
    assert uid == "uid-42"
    api.create(secret_manifest(PODS, {"ca.pem": "pem"}, uid))
    server.status = 200
    api.delete(manifest)
    (_, where, asked), (_, beside, secret), (_, gone, _) = server.asked
    assert where == "/apis/kubernetes.dask.org/v1/namespaces/survey/daskclusters"
    assert asked == manifest
    assert beside == "/api/v1/namespaces/survey/secrets"
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "uid-42"
    assert gone == f"{where}/run-1"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, InputError, "install the Dask operator"),
        (403, InputError, "rbac.yaml"),
        (409, InputError, "Correct the cluster file"),
        (503, TryAgainError, "run the same command again"),
    ],
)
def test_refusals_say_what_to_do(server, status, kind, words):
    api = open_api()
    server.status = status
    with pytest.raises(kind, match=words):
        api.create(cluster_manifest(PODS))


def test_a_cluster_that_is_gone_already_is_no_error(server):
    api = open_api()
    server.status = 404
    api.delete(cluster_manifest(PODS))


def test_a_server_that_is_down(server, tmp_path, monkeypatch):
    (tmp_path / "other").write_text(CONFIGURATION.format(port=1))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "other"))
    with pytest.raises(TryAgainError, match="does not answer"):
        open_api().create(cluster_manifest(PODS))


def test_no_cluster_at_all(server, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="must be a pod with a service account"):
        open_api().create(cluster_manifest(PODS))


def test_the_package_that_asks_is_named_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kr8s", None)
    with pytest.raises(InputError, match=r"jpasbatch\[kubernetes\]"):
        open_api()
