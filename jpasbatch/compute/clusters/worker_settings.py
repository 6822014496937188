"""Settings of Dask for schedulers and workers of every kind of cluster that a run starts."""

from __future__ import annotations

from typing import Any

from jpasbatch.compute.clusters.security import NO_PAGES

# Deaths that Dask forgives before it gives a task up. Two, so that a task which kills its worker is known
# soon; the runner then tries it alone.
ALLOWED_FAILURES = 1

# How workers allocate, in bytes. Dask's default (trim at 64 KiB) also fixes glibc's limit for allocations by mmap at
# 128 KiB, so that the scratch memory of every training step is taken from the system and given back: epochs took
# nearly twice as long (benchmarks/malloc.py).
MALLOC = {"MALLOC_TRIM_THRESHOLD_": 256 * 2**20, "MALLOC_MMAP_THRESHOLD_": 32 * 2**20}

# What Dask does beside the tasks, in the driver and in every worker: it takes a look at every thread a hundred times a
# second, and at its event loop fifty times. On a busy machine that is 4.4 % of the processors, and 1.6 without
# (benchmarks/dask_overhead.py); nothing here is read by anybody.
QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.scheduler.active-memory-manager.start": False,  # results of less than a kilobyte have no copies
}


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
        # Dask looks this long after a worker's death whether it is there, and closes its nanny when it is not: also
        # when it died again and is starting. Workers that die often then end as no worker at all. And who asks for a
        # new one is decided in one place (replacement.py), and not by Dask's timer as well
        "distributed.deploy.lost-worker-timeout": "365 days",
    }


def variable(setting: str) -> str:
    """Return the environment variable by which a process is told a setting of Dask."""
    return "DASK_" + setting.upper().replace("-", "_").replace(".", "__")
