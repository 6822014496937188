"""The file of metrics, as a scraper reads it."""

import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jpasbatch.compute.meter import Meter
from jpasbatch.errors import GapsError, InputError
from jpasbatch.stages.run import metrics as module
from jpasbatch.stages.run.metrics import MetricsFile, written_metrics

INFER = {"job": "tiny", "stage": "infer", "tasks": "partitions"}


def scrape(path: Path) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def value(path: Path, name: str, **labels: str) -> float:
    return scrape(path)[f"jpasbatch_{name}", frozenset(labels.items())]


def test_a_scraper_reads_what_the_meter_holds(tmp_path):
    path = tmp_path / "tiny.prom"
    with written_metrics(path, "tiny", "infer") as (metrics,):
        assert value(path, "running", job="tiny", verb="infer") == 1
        meter = Meter("infer: partitions", 10, earlier=4, workers=3)
        meter.succeed({"rows": 300, "bytes": 1000, "quarantined": 2})
        meter.fail("killed")
        metrics.close(meter)
        assert value(path, "partitions", **INFER) == 10
        assert value(path, "partitions_done", **INFER) == 5
        assert value(path, "partitions_failed", **INFER, status="killed") == 1
        assert value(path, "partitions_failed", **INFER, status="refused") == 0
        assert value(path, "rows_total", **INFER) == 300
        assert value(path, "rows_quarantined_total", **INFER) == 2
        assert value(path, "written_bytes_total", **INFER) == 1000
        assert value(path, "rows_per_second", **INFER) > 0
        assert value(path, "workers", **INFER) == 3
    assert value(path, "running", job="tiny", verb="infer") == 0
    assert value(path, "last_exit_code", job="tiny", verb="infer") == 0
    assert value(path, "last_success_timestamp_seconds", job="tiny", verb="infer") > 1.7e9
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GapsError("one partition"), 3),
        (OSError(28, "no space"), 75),
        (KeyboardInterrupt(), 75),
        (ValueError(), 1),
    ],
)
def test_a_failure_keeps_the_last_success(error, code, tmp_path):
    path = tmp_path / "tiny.prom"
    with written_metrics(path, "tiny", "infer"):
        pass
    success = value(path, "last_success_timestamp_seconds", job="tiny", verb="infer")
    with pytest.raises(type(error)), written_metrics(path, "tiny", "infer"):
        raise error
    assert value(path, "last_success_timestamp_seconds", job="tiny", verb="infer") == success
    assert value(path, "last_exit_code", job="tiny", verb="infer") == code


def test_the_file_is_not_written_at_every_tick(tmp_path, monkeypatch):
    metrics = MetricsFile(tmp_path / "tiny.prom", "tiny", "infer")
    metrics.path.unlink()
    meter = Meter("infer: partitions", 10)
    metrics.show(meter)
    assert not metrics.path.exists()
    monkeypatch.setattr(module, "SECONDS_BETWEEN_WRITES", 0.0)
    metrics.show(meter)
    assert metrics.path.exists()


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    with pytest.raises(InputError, match=r"--metrics .*absent/tiny.prom: cannot be written"):
        MetricsFile(tmp_path / "absent" / "tiny.prom", "tiny", "infer")
    other = tmp_path / "notes.prom"
    other.write_text("this is {no metric\n")
    with pytest.raises(InputError, match="not one of jpasbatch"):
        MetricsFile(other, "tiny", "infer")


def test_a_run_goes_on_without_its_metrics(tmp_path, caplog):
    folder = tmp_path / "collector"
    folder.mkdir()
    with written_metrics(folder / "tiny.prom", "tiny", "infer") as (metrics,):
        (folder / "tiny.prom").unlink()
        folder.rmdir()
        with caplog.at_level(logging.WARNING, logger="jpasbatch"):
            metrics.close(Meter("infer: partitions", 1))
    assert "cannot be written" in caplog.text


def test_no_metrics_unless_asked_for():
    with written_metrics(None, "tiny", "infer") as displays:
        assert displays == ()
