"""The kind `kubernetes`: what is asked of a cluster, and a run on a scheduler and workers that were started as asked.

No cluster of Kubernetes takes part: what its operator would start in pods, processes of this machine are.
"""

import os
import shutil
import signal
import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import distributed
import pytest

from jpasbatch.compute.clusters import kubernetes
from jpasbatch.compute.clusters.kubernetes import KubernetesCluster, run_certificates
from jpasbatch.compute.clusters.kubernetes_api import refused
from jpasbatch.compute.clusters.kubernetes_manifest import (
    CERTIFICATES,
    FILES,
    SCRATCH,
    Pods,
    cluster_manifest,
    secret_manifest,
)
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError, TryAgainError

OPTIONS = KubernetesCluster(image="site/jpasbatch:0.3.0", workers=2, volume_claim="sky", credentials="store")
PODS = Pods("run-1", "survey", "site/jpasbatch:0.3.0", 2, "1", "4Gi", "sky", "store", 1, {"gpu": "yes"})


def containers(manifest: dict) -> dict[str, dict]:
    spec = manifest["spec"]
    return {role: spec[role]["spec"]["containers"][0] for role in ("scheduler", "worker")}


def test_pods_are_hardened():
    manifest = cluster_manifest(PODS)
    for role, container in containers(manifest).items():
        pod = manifest["spec"][role]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]


def test_nothing_listens_in_the_open():
    manifest = cluster_manifest(PODS)
    for container in containers(manifest).values():
        assert "--no-dashboard" in container["args"]
        assert [option for option in container["args"] if option in FILES.values()] == list(FILES.values())
        settings = {entry["name"]: entry["value"] for entry in container["env"]}
        assert settings["DASK_SCHEDULER_ADDRESS"] == "tls://run-1-scheduler.survey.svc:8786"
    assert "tcp://" not in str(manifest)
    assert [port["name"] for port in manifest["spec"]["scheduler"]["service"]["ports"]] == ["tcp-comm"]


def test_a_cluster_goes_with_its_driver_and_a_secret_with_its_cluster():
    assert "ownerReferences" not in cluster_manifest(PODS)["metadata"]
    (owner,) = cluster_manifest(replace(PODS, driver=("driver-x", "42")))["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "driver-x", "42")
    secret = secret_manifest(PODS, {"ca.pem": "..."}, "43")
    assert secret["metadata"]["ownerReferences"][0]["uid"] == "43"
    volume = cluster_manifest(PODS)["spec"]["worker"]["spec"]["volumes"][0]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]


def test_workers_ask_for_their_gpu_and_its_node():
    worker = cluster_manifest(PODS)["spec"]["worker"]["spec"]
    assert worker["nodeSelector"] == {"gpu": "yes"}
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["containers"][0]["args"][-2:] == ["--resources", "GPU=1"]
    assert "GPU" not in str(cluster_manifest(replace(PODS, gpus=0)))


def test_a_plan_shows_what_would_be_asked_and_no_key():
    described = OPTIONS.describe()
    assert described.workers == 2
    assert '"kind": "DaskCluster"' in described.script
    assert "PRIVATE KEY" not in described.script
    assert "2 pods of 1 cpu and 4Gi each" in described.says


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "jpasbatch"),
        ("image", "site/jpasbatch:latest"),
        ("image", "site/jpasbatch:1.0; rm -rf /"),
        ("workers", 0),
        ("cpu", "many"),
        ("memory", "4 GiB"),
        ("namespace", "Survey"),
        ("volume_claim", "../etc"),
        ("gpus", -1),
    ],
)
def test_what_is_not_allowed(key, value):
    with pytest.raises(ValueError, match=key):
        replace(OPTIONS, **{key: value})


@pytest.mark.parametrize(
    "image", ["jpasbatch:0.3.0", "host.site:5000/a/jpasbatch:1", "a/b@sha256:" + "0" * 64]
)
def test_images_with_a_version(image):
    assert replace(OPTIONS, image=image).image == image


def test_each_run_has_certificates_of_its_own():
    (_, first), (_, second) = run_certificates(), run_certificates()
    assert first["tls.key"] != second["tls.key"]
    assert first.keys() == FILES.keys()


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (404, InputError, "install the Dask operator"),
        (403, InputError, "rbac.yaml"),
        (422, InputError, "Correct the cluster file"),
        (500, TryAgainError, "run the same command again"),
        (429, TryAgainError, "run the same command again"),
    ],
)
def test_answers_of_kubernetes_say_what_to_do(code, kind, words):
    error = refused(code, "DaskCluster run-1", "told so")
    assert isinstance(error, kind)
    assert words in str(error)


class Machine:
    """Starts as processes of this machine what an operator would start in pods."""

    namespace = "survey"

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes, self.deleted = folder, [], []
        self.cluster: dict = {}

    def create(self, manifest: dict) -> str:
        if manifest["kind"] == "Secret":  # pods wait for it
            self._start(manifest["stringData"])
        else:
            self.cluster = manifest
        return "uid-1"

    def _start(self, certificates: dict[str, str]) -> None:
        for name, pem in certificates.items():
            (self.folder / name).write_text(pem)
        for role, number in (("scheduler", 1), ("worker", self.cluster["spec"]["worker"]["replicas"])):
            container = containers(self.cluster)[role]
            for index in range(number):
                self._run(container, f"{role}-{index}")

    def _run(self, container: dict, name: str) -> None:
        settings = {entry["name"]: entry["value"] for entry in container["env"]} | {"DASK_WORKER_NAME": name}
        command = [self._here(part).replace("$(DASK_WORKER_NAME)", name) for part in container["args"]]
        environment = {**os.environ, **{key: self._here(value) for key, value in settings.items()}}
        command = [sys.executable, "-m", "dask", *command[1:]]
        self.processes.append(
            subprocess.Popen(command, env=environment, cwd=self.folder, stderr=subprocess.DEVNULL)
        )

    def _here(self, text: str) -> str:
        text = text.replace(CERTIFICATES, str(self.folder)).replace(SCRATCH, str(self.folder))
        return text.replace(f"{self.cluster['metadata']['name']}-scheduler.survey.svc", "127.0.0.1")

    def delete(self, manifest: dict) -> None:
        self.deleted.append(manifest["metadata"]["name"])
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    found = Machine(tmp_path)
    monkeypatch.setattr(kubernetes, "open_api", lambda: found)
    # the name of the service means this machine here
    address = property(lambda pods: "tls://127.0.0.1:8786")
    monkeypatch.setattr(kubernetes.Pods, "address", address)
    yield found
    for process in found.processes:
        process.poll() is None and process.kill()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.slow
def test_a_run_on_what_was_asked_for(machine):
    with OPTIONS.open() as executor:
        assert executor.client is not None
        executor.client.wait_for_workers(2, timeout=60)
        assert executor.client.scheduler.address.startswith("tls://")
        tasks = [Task(f"task-{number}", (number,)) for number in range(20)]
        outcomes = {one.key: one.result for one in run_tasks(pow_task, iter(tasks), executor)}
        assert outcomes == {f"task-{number}": number * number for number in range(20)}
        with pytest.raises((OSError, ssl.SSLError)):  # who has no certificate is not let in
            distributed.Client("tcp://127.0.0.1:8786", timeout=3)
    assert machine.deleted == [machine.cluster["metadata"]["name"]]


def pow_task(number: int) -> int:
    return number * number


@pytest.mark.slow
def test_a_cluster_whose_pods_never_start_is_deleted_and_named(machine, monkeypatch):
    monkeypatch.setattr(machine, "_start", lambda certificates: None)
    with (
        pytest.raises(TryAgainError, match="kubectl describe daskcluster"),
        replace(OPTIONS, start_timeout=2.0).open(),
    ):
        pass
    assert machine.deleted == [machine.cluster["metadata"]["name"]]
