"""What is asked of Kubernetes for one run, as plain data: a Dask cluster, and the secret with its certificates.

The cluster is a resource of the Dask operator (https://kubernetes.dask.org), which makes a scheduler, its service and
one deployment a worker of it. Pods run without root, without capabilities, on a read-only root file system, and
without a token of Kubernetes. Scheduler and workers speak TLS with certificates of this run alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

API = "kubernetes.dask.org/v1"
PORT = 8786
USER = 10001
"""Of the image (deploy/kubernetes/Dockerfile); its group has the same number."""

CERTIFICATES, SCRATCH, DATA = "/etc/jpasbatch/tls", "/scratch", "/data"
"""Where pods find the certificates, a place for what Dask spills, and the shared volume."""

FILES = {"ca.pem": "--tls-ca-file", "tls.crt": "--tls-cert", "tls.key": "--tls-key"}
"""Keys of the secret, and the options of Dask that name their files."""


@dataclass(frozen=True)
class Pods:
    """What the pods of a run are.

    Attributes
    ----------
    name, namespace : str
        Of the cluster.
    image : str
    workers : int
    cpu, memory : str
        Of one worker, as Kubernetes counts them: ``"1"``, ``"4Gi"``. Dask restarts it at this memory.
    volume_claim : str
        Of the volume that is mounted at `DATA`; none if empty.
    credentials : str
        Secret whose keys become environment variables, such as those of an object store; none if empty.
    gpus : int
        Of one worker.
    node_selector : mapping of str to str
        Labels of nodes on which workers may run.
    settings : mapping of str to str
        Environment variables.
    driver : (str, str)
        Name and unique id of the driver's pod, with which the cluster goes; empty where they are not known.
    """

    name: str
    namespace: str
    image: str
    workers: int
    cpu: str
    memory: str
    volume_claim: str = ""
    credentials: str = ""
    gpus: int = 0
    node_selector: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    driver: tuple[str, str] = ("", "")

    @property
    def secret(self) -> str:
        """Name of the secret with the certificates."""
        return f"{self.name}-tls"

    @property
    def address(self) -> str:
        """Of the scheduler, from within the cluster."""
        return f"tls://{self.name}-scheduler.{self.namespace}.svc:{PORT}"


def cluster_manifest(pods: Pods) -> dict[str, Any]:
    """Return the resource that makes the operator start scheduler and workers."""
    metadata: dict[str, Any] = {
        "name": pods.name,
        "namespace": pods.namespace,
        "labels": {"app.kubernetes.io/name": "jpasbatch"},
    }
    if all(pods.driver):
        name, uid = pods.driver
        metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}]
    return {
        "apiVersion": API,
        "kind": "DaskCluster",
        "metadata": metadata,
        "spec": {
            "worker": {"replicas": pods.workers, "spec": _worker(pods)},
            "scheduler": {"spec": _scheduler(pods), "service": _service(pods)},
        },
    }


def secret_manifest(pods: Pods, certificates: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Return the secret with the certificates of a run; it goes when the cluster goes.

    Parameters
    ----------
    pods : Pods
    certificates : mapping of str to str
        PEM by the keys of `FILES`.
    owner : str
        Unique id (``metadata.uid``) of the cluster that was created.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": pods.secret,
            "namespace": pods.namespace,
            "labels": {"app.kubernetes.io/name": "jpasbatch"},
            "ownerReferences": [{"apiVersion": API, "kind": "DaskCluster", "name": pods.name, "uid": owner}],
        },
        "type": "Opaque",
        "stringData": dict(certificates),
    }


def _scheduler(pods: Pods) -> dict[str, Any]:
    command = ["dask", "scheduler", "--protocol", "tls", "--port", str(PORT), "--no-dashboard", *_tls()]
    container = {
        **_container(pods, "scheduler", command),
        "ports": [{"name": "tcp-comm", "containerPort": PORT, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "tcp-comm"}, "periodSeconds": 2},
        "livenessProbe": {"tcpSocket": {"port": "tcp-comm"}, "initialDelaySeconds": 15, "periodSeconds": 20},
        "resources": _resources("1", "2Gi", 0),
    }
    return _pod(pods, container)


def _worker(pods: Pods) -> dict[str, Any]:
    command = ["dask", "worker", pods.address, "--name", "$(DASK_WORKER_NAME)", "--nthreads", "1"]
    command += ["--memory-limit", f"{pods.memory}B", "--local-directory", SCRATCH, "--no-dashboard", *_tls()]
    command += ["--resources", f"GPU={pods.gpus}"] if pods.gpus else []
    container = {
        **_container(pods, "worker", command),
        "resources": _resources(pods.cpu, pods.memory, pods.gpus),
    }
    pod = _pod(pods, container)
    return {**pod, "nodeSelector": dict(pods.node_selector)} if pods.node_selector else pod


def _tls() -> list[str]:
    return [part for file, option in FILES.items() for part in (option, f"{CERTIFICATES}/{file}")]


def _resources(cpu: str, memory: str, gpus: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"cpu": cpu, "memory": memory}
    if gpus:
        asked["nvidia.com/gpu"] = str(gpus)
    # no limit of processors: one that is reached makes a worker wait while its node is idle
    return {"requests": asked, "limits": {key: value for key, value in asked.items() if key != "cpu"}}


def _container(pods: Pods, name: str, command: list[str]) -> dict[str, Any]:
    # the operator would name a plain address; what is set already it leaves
    settings = {"DASK_SCHEDULER_ADDRESS": pods.address, "HOME": SCRATCH, **pods.settings}
    mounts = [
        {"name": "tls", "mountPath": CERTIFICATES, "readOnly": True},
        {"name": "scratch", "mountPath": SCRATCH},
        {"name": "scratch", "mountPath": "/tmp", "subPath": "tmp"},
    ]
    if pods.volume_claim:
        mounts.append({"name": "data", "mountPath": DATA})
    container: dict[str, Any] = {
        "name": name,
        "image": pods.image,
        "args": command,
        "env": [{"name": key, "value": value} for key, value in settings.items()],
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if pods.credentials:
        container["envFrom"] = [{"secretRef": {"name": pods.credentials}}]
    return container


def _pod(pods: Pods, container: dict[str, Any]) -> dict[str, Any]:
    volumes: list[dict[str, Any]] = [
        {"name": "tls", "secret": {"secretName": pods.secret, "defaultMode": 0o440}},
        {"name": "scratch", "emptyDir": {}},
    ]
    if pods.volume_claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": pods.volume_claim}})
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }


def _service(pods: Pods) -> dict[str, Any]:
    return {
        "type": "ClusterIP",
        "selector": {"dask.org/cluster-name": pods.name, "dask.org/component": "scheduler"},
        "ports": [{"name": "tcp-comm", "protocol": "TCP", "port": PORT, "targetPort": "tcp-comm"}],
    }
