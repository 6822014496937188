"""Settings of Dask for schedulers and workers of every kind of cluster that a run starts beyond this machine."""

from __future__ import annotations

from typing import Any

from jpasbatch.compute.clusters.local import ALLOWED_FAILURES, MALLOC, QUIET
from jpasbatch.compute.clusters.security import NO_PAGES


def worker_settings() -> dict[str, Any]:
    """Return what workers are told."""
    return {
        **QUIET,
        **NO_PAGES,
        **{f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in MALLOC.items()},
    }


def driver_settings(no_workers_timeout: float) -> dict[str, Any]:
    """Return what the scheduler in the driver is told, and what its cluster object is.

    Parameters
    ----------
    no_workers_timeout : float
        Seconds after which a task without a worker that may run it is given up.
    """
    return {
        **worker_settings(),
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.scheduler.no-workers-timeout": f"{no_workers_timeout}s",
        "distributed.admin.large-graph-warning-threshold": "1MB",
        # who asks for a new worker is decided in one place (replacement.py), and not by Dask's timer as well
        "distributed.deploy.lost-worker-timeout": "365 days",
    }


def variable(setting: str) -> str:
    """Return the environment variable by which a process is told a setting of Dask."""
    return "DASK_" + setting.upper().replace("-", "_").replace(".", "__")
