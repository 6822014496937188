"""Several clusters in one file; each stage opens the one that it needs, so that a GPU is held only while it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from jpasbatch.compute.clusters.description import Description
from jpasbatch.compute.clusters.executor import Cluster, Executor
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.errors import InputError
from jpasbatch.options import Options

STAGES = (
    *("mock", "ingest", "foreign", "inspect", "train", "evaluate"),
    *("infer", "combine", "correct", "summarise"),
)
"""Stages that run tasks."""

KEYS = ("pools", "stages", "default")


@dataclass(frozen=True)
class PooledCluster(Options):
    """Clusters by name, and which stage runs on which.

    Attributes
    ----------
    pools : dict of str to Cluster
    default : str
        The pool of stages that are not named; the only one where there is one.
    stages : dict of str to str
        Pool of a stage.
    """

    pools: dict[str, Cluster]
    default: str = ""
    stages: dict[str, str] = field(default_factory=dict)
    kind: Literal["pools"] = "pools"

    def check_relations(self) -> None:
        """Refuse names of stages and pools that do not exist."""
        names = ", ".join(self.pools)
        if not self.pools:
            raise ValueError("pools: none is there; write a table such as [pools.cpu]")
        if not self.default and len(self.pools) > 1:
            raise ValueError(f"default is missing: the pool of stages that are not named; allowed: {names}")
        for key, pool in (("default", self.default or next(iter(self.pools))), *self.stages.items()):
            if pool not in self.pools:
                raise ValueError(f"{key}: there is no pool '{pool}'; allowed: {names}")
        for stage in self.stages:
            if stage not in STAGES:
                raise ValueError(f"[stages]: found '{stage}'; allowed: {', '.join(STAGES)}")

    def pool_of(self, stage: str) -> Cluster:
        """Return the cluster of a stage."""
        return self.pools[self.stages.get(stage) or self.default or next(iter(self.pools))]

    def describe(self) -> Description:
        """Return what each pool would start."""
        parts = {name: pool.describe() for name, pool in self.pools.items()}
        counts = [part.workers for part in parts.values()]
        return Description(
            self.kind,
            None if None in counts else sum(count or 0 for count in counts),
            "; ".join(f"pool {name}: {part.says}" for name, part in parts.items()),
            "\n".join(f"# pool {name}\n{part.script}" for name, part in parts.items() if part.script),
        )

    def open(self) -> AbstractContextManager[Executor]:
        """Open the pool of stages that are not named."""
        return open_cluster(self.pool_of(""))


def stages_by_cluster(cluster: Cluster, stages: Iterable[str]) -> Iterator[tuple[Cluster, list[str]]]:
    """Yield each cluster that is to be opened, with the stages that run on it one after the other.

    Parameters
    ----------
    cluster : Cluster
    stages : iterable of str
        In order.
    """
    if not isinstance(cluster, PooledCluster):
        yield cluster, list(stages)
        return
    for pool, group in groupby(stages, key=cluster.pool_of):
        yield pool, list(group)


def load_pools(
    tables: dict[str, Any], load: Callable[[dict[str, Any], str], Cluster], where: str
) -> PooledCluster:
    """Return the pools of a cluster file.

    Parameters
    ----------
    tables : dict
        Of the file.
    load : callable
        Makes a cluster of a table, whose name it is told.
    where : str
        Name of the file; messages begin with it.

    Raises
    ------
    InputError
        When a key is unknown, or a value is not allowed.
    """
    unknown = sorted(set(tables) - set(KEYS))
    if unknown:
        raise InputError(f"{where}: unknown key '{unknown[0]}' beside [pools]; allowed: {', '.join(KEYS)}")
    pools, default, stages = tables["pools"], tables.get("default", ""), tables.get("stages", {})
    if not isinstance(pools, dict) or not all(isinstance(table, dict) for table in pools.values()):
        raise InputError(f"{where}: pools must be tables, such as [pools.cpu] and [pools.gpu]")
    texts = isinstance(stages, dict) and all(isinstance(pool, str) for pool in (default, *stages.values()))
    if not texts:
        raise InputError(f"{where}: default and each key of [stages] must name a pool, in quotes")
    clusters = {name: load(table, f"{where}: [pools.{name}]") for name, table in pools.items()}
    try:
        return PooledCluster(clusters, default, stages)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
