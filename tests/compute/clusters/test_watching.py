"""Dashboard and performance report: off, on this machine alone, and what Grafana asks of them is there."""

import json
import re
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest

from jpasbatch.compute.clusters import watching
from jpasbatch.compute.clusters.executor import NO_DASHBOARD
from jpasbatch.compute.clusters.local import LocalCluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.slurm import SlurmCluster
from jpasbatch.compute.clusters.ssh import SshCluster
from jpasbatch.compute.clusters.watching import kept_performance
from jpasbatch.compute.runner import Task, run_tasks
from jpasbatch.errors import InputError
from jpasbatch.stages.run.metrics import MetricsFile

GRAFANA = Path(__file__).resolve().parents[3] / "deploy" / "grafana" / "jpasbatch.json"
KINDS = (LocalCluster(), SlurmCluster(), SshCluster(hosts=("a",)))


def double(number: int) -> int:
    return 2 * number


def asked() -> set[str]:
    """Return the metrics that the dashboard of Grafana asks for."""
    panels = json.loads(GRAFANA.read_bytes())["panels"]
    text = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))
    return set(re.findall(r"\b(?:dask|jpasbatch)_\w+", text))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_nothing_is_served_and_kept_unless_asked_for(kind):
    assert kind.scheduler_options() == NO_DASHBOARD
    assert kind.page_settings() == {}
    assert not kind.performance_report


@pytest.mark.parametrize("option", ["dashboard", "performance_report"])
def test_what_draws_pages_may_be_absent(monkeypatch, option):
    monkeypatch.setattr(watching, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"{option} = true needs bokeh: pip install"):
        LocalCluster(**{option: True}).scheduler_options()


def test_a_port_is_a_port():
    with pytest.raises(ValueError, match="dashboard_port"):
        LocalCluster(dashboard_port=70_000)


def test_metrics_of_runs_that_grafana_asks_for_are_written(tmp_path):
    metrics = MetricsFile(tmp_path / "x.prom", "job", "run")
    metrics.finish(0)
    written = {
        sample for line in (tmp_path / "x.prom").read_text().splitlines() for sample in line.split()[2:3]
    }
    known = {name + end for name in written for end in ("", "_total")} | written
    asked_for = {name for name in asked() if name.startswith("jpasbatch_")}
    assert len(asked_for) >= 7
    assert asked_for <= known


def test_panels_of_grafana_do_not_overlap():
    panels = json.loads(GRAFANA.read_bytes())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) == 23


@pytest.mark.slow
def test_a_dashboard_serves_this_machine_and_what_grafana_asks_for(tmp_path, caplog):
    caplog.set_level("INFO")
    options = LocalCluster(workers=1, dashboard=True, dashboard_port=0, performance_report=True)
    report = tmp_path / "logs" / "run-infer.html"
    with open_cluster(options) as executor, kept_performance(options, executor, report):
        (address,) = re.findall(r"dashboard: http://127\.0\.0\.1:(\d+)/status", caplog.text)
        found = list(run_tasks(double, [Task(f"task-{n}", (n,)) for n in range(5)], executor))
        assert sorted(outcome.result for outcome in found) == [0, 2, 4, 6, 8]
        with urlopen(f"http://127.0.0.1:{address}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        with urlopen(f"http://127.0.0.1:{address}/status", timeout=10) as answer:
            assert "Dask" in answer.read().decode()
        own = socket.gethostbyname(socket.gethostname())
        if not own.startswith("127."):
            with pytest.raises(OSError, match="refused"), socket.create_connection((own, int(address)), 5):
                pass
    exposed = set(re.findall(r"^(dask_\w+?)(?:\{| )", metrics, re.MULTILINE))
    needed = {name for name in asked() if name.startswith("dask_")}
    assert len(needed) >= 4
    assert needed <= exposed
    assert "every user of this machine can read it" in caplog.text
    text = report.read_text(encoding="utf-8")
    assert "<html" in text
    assert "Task Stream" in text
    assert [path.name for path in report.parent.iterdir()] == [report.name]


@pytest.mark.slow
def test_a_report_that_cannot_be_written_hides_no_error(tmp_path, caplog):
    options = LocalCluster(workers=1, performance_report=True)
    (tmp_path / "file").touch()
    with (
        pytest.raises(ZeroDivisionError),
        open_cluster(options) as executor,
        kept_performance(options, executor, tmp_path / "file" / "run.html"),
    ):
        raise ZeroDivisionError
    assert "no performance report was kept" in caplog.text
