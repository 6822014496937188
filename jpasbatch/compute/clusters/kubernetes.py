"""Workers in pods of a Kubernetes cluster, by the Dask operator; the driver is a pod of the same cluster.

Each run has a cluster and certificates of its own. Both go with it: at its end, or with the pod of a driver that was
killed, whose name and unique id the variables ``POD_NAME`` and ``POD_UID`` tell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

from annotated_types import Ge

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Executor, Seconds
from jpasbatch.compute.clusters.joining import joined_scheduler
from jpasbatch.compute.clusters.kubernetes_api import open_api
from jpasbatch.compute.clusters.kubernetes_manifest import Pods, cluster_manifest, secret_manifest
from jpasbatch.compute.clusters.security import own_security
from jpasbatch.compute.clusters.worker_settings import ALLOWED_FAILURES, variable, worker_settings
from jpasbatch.compute.interruption import stop_postponed
from jpasbatch.options import Matches, Options

if TYPE_CHECKING:
    from distributed import Security

Name = Annotated[str, Matches(r"|[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", "a name of Kubernetes: a-z 0-9 -")]
Image = Annotated[
    str,
    Matches(
        r"[a-z0-9][\w./-]*(:\d+/[\w./-]+)?(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})",
        "an image with its version, and not 'latest'",
    ),
]
Quantity = Annotated[str, Matches(r"\d+(\.\d+)?m?", "a number of processors, like '1' or '500m'")]
Memory = Annotated[str, Matches(r"\d+(\.\d+)?[KMGT]i", "memory as Kubernetes writes it, like '4Gi'")]


@dataclass(frozen=True)
class KubernetesCluster(Options):
    """Workers in pods, which the Dask operator of the cluster starts (deploy/kubernetes/).

    Attributes
    ----------
    image : str
        With its version; the same that the driver runs.
    workers : int
        Pods of one worker with one thread each; their number is fixed.
    cpu, memory : str
        Of one worker, as Kubernetes counts them.
    namespace : str
        The driver's own if empty.
    volume_claim : str
        Of a volume that many pods may write to, mounted at ``/data``: output folder and input lie there. None if empty:
        then the collection is in an object store (``--sky``).
    credentials : str
        Secret whose keys become environment variables of the workers.
    gpus : int
        Of one worker; training asks for one.
    node_selector : dict of str to str
        Labels of nodes on which workers may run.
    start_timeout : float
        Seconds within which a first worker must be there.
    no_workers_timeout : float
        Seconds without any worker after which a run gives up.
    """

    image: Image
    kind: Literal["kubernetes"] = "kubernetes"
    workers: Annotated[int, Ge(1)] = 2
    cpu: Quantity = "1"
    memory: Memory = "4Gi"
    namespace: Name = ""
    volume_claim: Name = ""
    credentials: Name = ""
    gpus: Annotated[int, Ge(0)] = 0
    node_selector: dict[str, str] = field(default_factory=dict)
    start_timeout: Seconds = 600.0
    no_workers_timeout: Seconds = 300.0

    def describe(self) -> Description:
        """Return what `open` would ask of Kubernetes; the secret with certificates is left out."""
        namespace = self.namespace or "the driver's namespace"
        says = (
            f"{self.workers} pods of {self.cpu} cpu and {self.memory} each in {namespace}, from {self.image}"
        )
        script = json.dumps(
            cluster_manifest(self.pods("jpasbatch-RUN", self.namespace or "NAMESPACE")), indent=1
        )
        return Description(self.kind, self.workers, says, script)

    def pods(self, name: str, namespace: str) -> Pods:
        """Return what the pods of one run are."""
        settings = {
            "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
            **worker_settings(),
        }
        return Pods(
            name,
            namespace,
            self.image,
            self.workers,
            self.cpu,
            self.memory,
            self.volume_claim,
            self.credentials,
            self.gpus,
            self.node_selector,
            {variable(key): str(value) for key, value in settings.items()},
            (os.environ.get("POD_NAME", ""), os.environ.get("POD_UID", "")),
        )

    @contextmanager
    def open(self) -> Iterator[Executor]:
        """Ask the operator for a cluster, wait for a first worker, and delete the cluster at the end.

        Raises
        ------
        InputError
            When kr8s is not installed, there is no operator, or the driver may not ask for a cluster.
        TryAgainError
            When Kubernetes does not answer, or no worker starts within ``start_timeout``.
        """
        api = open_api()
        pods = self.pods(f"jpasbatch-{uuid4().hex[:8]}", self.namespace or api.namespace)
        security, certificates = run_certificates()
        try:
            with stop_postponed():  # what is created is known, and deleted
                owner = api.create(cluster_manifest(pods))
            api.create(secret_manifest(pods, certificates, owner))
            with joined_scheduler(
                pods.address,
                security,
                self.start_timeout,
                f"look at `kubectl describe daskcluster {pods.name}` and the operator's log while a run waits, see "
                "that the driver is a pod of the same cluster, and run the same command again",
                f"no worker of {pods.name} came within {self.start_timeout:g} s; `kubectl get pods` says what they "
                "wait for (room on a node, the image, the volume). Run the same command again",
            ) as client:
                yield Executor(
                    client, {"GPU": float(self.gpus)} if self.gpus else {}, self.no_workers_timeout
                )
        finally:
            with stop_postponed():
                api.delete(cluster_manifest(pods))  # the secret is its own and goes with it


def run_certificates() -> tuple[Security, dict[str, str]]:
    """Return certificates for one run: as Dask takes them, and as PEM by the keys of the secret."""
    security = own_security()
    given: Any = security
    pem = {
        "ca.pem": given.tls_ca_file,
        "tls.crt": given.tls_scheduler_cert,
        "tls.key": given.tls_scheduler_key,
    }
    return security, pem
