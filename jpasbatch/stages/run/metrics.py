"""Metrics for Prometheus: a text file that node_exporter's textfile collector reads.

A file and no port: a run ends, on a machine of a batch system that others use as well. A file needs no open port
and no access rules, stays when the run has ended (an alarm looks at the last success), and works from cron. Its
form is `prometheus_client`'s; it is replaced atomically, so that no scraper reads half of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jpasbatch.compute.meter import Display, Meter
from jpasbatch.errors import InputError, JpasbatchError, TryAgainError
from jpasbatch.storage.stores.files import write_atomically

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

SECONDS_BETWEEN_WRITES = 15.0
STATUSES = ("refused", "failed", "killed")
LAST_SUCCESS = "jpasbatch_last_success_timestamp_seconds"
LAST_EXIT_CODE = "jpasbatch_last_exit_code"
RUNS = {
    LAST_SUCCESS: "When the verb last ended with exit code 0.",
    LAST_EXIT_CODE: "Of the last run that ended by itself.",
}
GAUGES = {
    "jpasbatch_partitions": ("Tasks of the stage, those done by earlier runs included.", "total"),
    "jpasbatch_partitions_done": ("Tasks that succeeded, those of earlier runs included.", "done"),
    "jpasbatch_rows_per_second": ("Of this run, on average.", "rows_per_second"),
    "jpasbatch_seconds": ("Since the stage's tasks started, until they ended.", "seconds"),
    "jpasbatch_workers": ("Workers of the cluster.", "workers"),
}
COUNTERS = {
    "jpasbatch_rows": ("Rows that this run wrote.", "rows"),
    "jpasbatch_rows_quarantined": ("Rows that this run refused.", "quarantined"),
    "jpasbatch_written_bytes": ("Bytes that this run wrote, where its tasks tell.", "bytes"),
}


class MetricsFile:
    """The metrics of one command; a `Display` of its meters.

    Parameters
    ----------
    path : Path
        Replaced every quarter of a minute; a collector reads names that end in ``.prom``. What it says of earlier
        runs of other verbs, and of other jobs, is kept.
    job, verb : str
        Labels.

    Raises
    ------
    InputError
        When the file cannot be written there.
    """

    def __init__(self, path: Path, job: str, verb: str) -> None:
        self.path, self.job, self.verb = path, job, verb
        self.meters: dict[str, Meter] = {}
        self.running = True
        self.runs = _earlier_runs(path)
        self.written = 0.0
        try:
            self._write()
        except OSError as error:
            raise InputError(
                f"--metrics {path}: cannot be written ({error.strerror}); name a file in a folder that exists, such "
                "as that of node_exporter's --collector.textfile.directory"
            ) from error

    def show(self, meter: Meter) -> None:
        """Write the file, unless it was written a moment ago."""
        self.meters[meter.title] = meter
        if time.monotonic() - self.written >= SECONDS_BETWEEN_WRITES:
            self._write_or_warn()

    def close(self, meter: Meter) -> None:
        """Write the file with the last state of a meter."""
        self.meters[meter.title] = meter
        self._write_or_warn()

    def finish(self, exit_code: int) -> None:
        """Write the file with how the command ended."""
        self.running = False
        self.runs[LAST_EXIT_CODE, self.job, self.verb] = exit_code
        if exit_code == 0:
            self.runs[LAST_SUCCESS, self.job, self.verb] = time.time()
        self._write_or_warn()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        meters = list(self.meters.values())
        for name, (text, attribute) in GAUGES.items():
            yield self._of_stages(
                GaugeMetricFamily(name, text, labels=("job", "stage", "tasks")), meters, attribute
            )
        for name, (text, attribute) in COUNTERS.items():
            told = [meter for meter in meters if getattr(meter, attribute)]
            yield self._of_stages(
                CounterMetricFamily(name, text, labels=("job", "stage", "tasks")), told, attribute
            )
        failed = GaugeMetricFamily(
            "jpasbatch_partitions_failed",
            "Tasks that were given up.",
            labels=("job", "stage", "tasks", "status"),
        )
        for meter in meters:
            for status in STATUSES:
                failed.add_metric((*self._labels(meter), status), meter.troubles[status])
        yield failed
        running = GaugeMetricFamily(
            "jpasbatch_running", "1 until the command ends by itself.", labels=("job", "verb")
        )
        running.add_metric((self.job, self.verb), self.running)
        yield running
        for name, text in RUNS.items():
            family = GaugeMetricFamily(name, text, labels=("job", "verb"))
            for (metric, job, verb), value in sorted(self.runs.items()):
                if metric == name:
                    family.add_metric((job, verb), value)
            yield family

    def _of_stages(self, family: Metric, meters: Iterable[Meter], attribute: str) -> Metric:
        for meter in meters:
            family.add_metric(self._labels(meter), getattr(meter, attribute))  # type: ignore[attr-defined]
        return family

    def _labels(self, meter: Meter) -> tuple[str, str, str]:
        stage, _, tasks = meter.title.partition(": ")
        return self.job, stage, tasks

    def _write(self) -> None:
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(self)  # type: ignore[arg-type]
        write_atomically(self.path, generate_latest(registry))
        self.written = time.monotonic()

    def _write_or_warn(self) -> None:
        try:
            self._write()
        except OSError as error:  # the run is worth more than its metrics
            self.written = time.monotonic()
            log.warning("the metrics %s cannot be written (%s)", self.path, error.strerror)


def _earlier_runs(path: Path) -> dict[tuple[str, str, str], float]:
    """Return when verbs last succeeded and how they ended, from the file of an earlier run."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
        return {
            (sample.name, sample.labels["job"], sample.labels["verb"]): sample.value
            for family in families
            for sample in family.samples
            if sample.name in RUNS
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"--metrics {path}: the file that is there is not one of jpasbatch ({error}); name another, or remove it"
        ) from error


@contextmanager
def written_metrics(path: Path | None, job: str, verb: str) -> Iterator[tuple[Display, ...]]:
    """Yield the displays of a command: the file of metrics where one is asked for; it is told how the block ended."""
    if path is None:
        yield ()
        return
    metrics = MetricsFile(path, job, verb)
    code = 1
    try:
        yield (metrics,)
        code = 0
    except JpasbatchError as error:
        code = error.exit_code
        raise
    except (OSError, KeyboardInterrupt):
        code = TryAgainError.exit_code
        raise
    finally:
        metrics.finish(code)
