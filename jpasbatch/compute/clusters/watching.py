"""Looking at a cluster while it works, and after: Dask's dashboard and performance report, both only on request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Interval

from jpasbatch.compute.clusters.executor import NO_DASHBOARD, Executor
from jpasbatch.errors import InputError
from jpasbatch.options import Options

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
ROUTES = (
    "distributed.http.scheduler.prometheus",
    "distributed.http.scheduler.info",
    "distributed.http.scheduler.json",
    "distributed.http.health",
    "distributed.http.statics",
)
"""What a dashboard serves: Dask's own pages and metrics of the scheduler, and nothing that leads to workers."""


@dataclass(frozen=True, kw_only=True)
class Watched(Options):
    """Options of cluster kinds whose scheduler is in the driver.

    Attributes
    ----------
    dashboard : bool
        Whether the scheduler serves Dask's dashboard and its metrics, on this machine alone. Whoever is on this machine
        can read it: names of files and tasks, and how far they are.
    dashboard_port : int
        Of the dashboard; 0 takes one that is free.
    performance_report : bool
        Whether Dask's performance report (HTML) is kept beside the log of the run.
    """

    dashboard: bool = False
    dashboard_port: Annotated[int, Interval(ge=0, le=65535)] = 8787
    performance_report: bool = False

    def scheduler_options(self) -> dict[str, Any]:
        """Return what the scheduler is told of its pages.

        Raises
        ------
        InputError
            When pages or a report are asked for, and bokeh is not installed, which draws them.
        """
        if (self.dashboard or self.performance_report) and find_spec("bokeh") is None:
            wanted = "dashboard" if self.dashboard else "performance_report"
            raise InputError(f"{wanted} = true needs bokeh: pip install 'jpasbatch[deploy]'")
        if not self.dashboard:
            return dict(NO_DASHBOARD)
        return {"dashboard": True, "dashboard_address": f"{LOOPBACK}:{self.dashboard_port}"}

    def page_settings(self) -> dict[str, Any]:
        """Return the settings of Dask that let the scheduler serve pages; none where it serves nothing."""
        return {"distributed.scheduler.http.routes": list(ROUTES)} if self.dashboard else {}

    def tell_dashboard(self, client: Client) -> None:
        """Say where the dashboard is, and who can read it."""
        if not self.dashboard:
            return
        port = client.scheduler_info(n_workers=0)["services"]["dashboard"]
        log.warning(
            "dashboard: http://%s:%d/status (metrics: /metrics); every user of this machine can read it",
            LOOPBACK,
            port,
        )


@contextmanager
def kept_performance(cluster: Any, executor: Executor, path: Path) -> Iterator[None]:
    """Keep Dask's performance report of the block, where the cluster file asks for it.

    Parameters
    ----------
    cluster : Cluster
        Whose options were opened.
    executor : Executor
        That is open.
    path : Path
        Of the report; HTML. A report that cannot be made or written stops no run.
    """
    if executor.client is None or not getattr(cluster, "performance_report", False):
        yield
        return
    from distributed import performance_report

    aside = path.with_name(f".{path.name}")
    report = performance_report(filename=str(aside))
    report.__enter__()
    try:
        yield
    finally:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            report.__exit__(None, None, None)
            aside.replace(path)
            log.info("performance report: %s", path)
        except Exception as error:  # a lost scheduler shows in many ways, and the run has told of it
            with suppress(OSError):
                aside.unlink()
            log.warning("no performance report was kept (%s)", type(error).__name__)
