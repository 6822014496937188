"""Every kind of cluster by its name in cluster files; a kind is imported only when a file names it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module

from jpasbatch.compute.clusters.executor import Cluster, Executor

CLUSTERS = {
    "serial": "jpasbatch.compute.clusters.serial:SerialCluster",
    "local": "jpasbatch.compute.clusters.local:LocalCluster",
    "address": "jpasbatch.compute.clusters.address:AddressCluster",
    "kubernetes": "jpasbatch.compute.clusters.kubernetes:KubernetesCluster",
}
"""Module and class of each kind."""


def import_kind(name: str) -> type[Cluster]:
    """Return the class of a kind of cluster; its name is one of `CLUSTERS`."""
    module, _, kind = CLUSTERS[name].partition(":")
    return getattr(import_module(module), kind)


def open_cluster(options: Cluster) -> AbstractContextManager[Executor]:
    """Return the cluster's executor as a context: it starts or joins the cluster, and leaves it at the end.

    Errors are those of `Cluster.open`.
    """
    return options.open()
