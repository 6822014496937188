"""Fetching from recorded answers of a real TAP service: what arrives, what goes wrong, and what is asked again."""

import json
import logging
import shutil
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyvo", reason="needs pyvo, of the extra 'fetch'")

from jpasbatch.cli import main
from jpasbatch.photometry.survey import load_survey
from jpasbatch.stages.fetch import service as service_module
from tests.stages.fetch.record import COLUMNS, ROWS_OF_A_TILE, TILES, VECTORS
from tests.stages.fetch.replay import Replay, replay

JOB = """\
name = "trial"
survey = "jpas60"
[fetch]
service = "{address}/tap"
table = "{table}"
columns = {columns}
order = ["number"]
attempts = {attempts}
{more}
[catalogue.partitions]
highest_order = 4
margin_arcsec = 0
"""
TEMPORARY = {"status": 503, "headers": {"Retry-After": "0"}, "body": "busy"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Wait for nothing, and put back what a command sets for its whole process."""
    monkeypatch.setattr(service_module, "FIRST_POLL", 0.001)
    monkeypatch.setattr(service_module.Service, "_wait", lambda self, attempt: 0.0)
    handler, level = signal.getsignal(signal.SIGTERM), logging.getLogger("jpasbatch").level
    yield
    signal.signal(signal.SIGTERM, handler)
    logging.getLogger("jpasbatch").setLevel(level)


@pytest.fixture
def service():
    with replay() as found:
        yield found


def fetch(service: Replay, folder: Path, verb="fetch", flags=(), **changes) -> int:
    options = {
        "address": service.address,
        "table": "mock.objects",
        "columns": json.dumps(COLUMNS + VECTORS),
        "attempts": 3,
        "more": 'filter_table = "mock.filter"',
    }
    job = folder / "job.toml"
    job.write_text(JOB.format(**options | changes))
    return main([verb, str(job), "--output", str(folder / "run"), *flags])


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "run" / "tables").glob("*"))}


SMALL = {"columns": '["tile_id", "number"]', "more": ""}


def test_all_tiles_arrive_with_units_and_bands_and_can_be_ingested(service, tmp_path):
    assert fetch(service, tmp_path) == 0
    assert set(tables(tmp_path)) == {f"{tile}.parquet" for tile in TILES}
    table = pq.read_table(tmp_path / "run" / "tables" / f"{TILES[0]}.parquet")
    assert table["number"].to_pylist() == [1, 2, 3, 4]
    assert table.schema.field("alpha_j2000").metadata == {
        b"unit": b"deg",
        b"ucd": b"pos.eq.ra;meta.main",
        b"description": b"Right ascension",
    }
    assert len(table["flux_aper_3_0"][0].as_py()) == 60
    assert json.loads(table.schema.metadata[b"FILTER"])["NAME"] == [
        band.name for band in load_survey("jpas60").bands
    ]
    assert not service.jobs
    assert fetch(service, tmp_path, "ingest", ["--serial"]) == 0
    record = json.loads((tmp_path / "run" / "work" / "ingest.json").read_text())
    assert record["rows_in"] == len(TILES) * ROWS_OF_A_TILE


def test_rerun_asks_only_for_what_changed(service, tmp_path, capsys):
    assert fetch(service, tmp_path, **SMALL | {"more": "tiles = [2241, 2243, 2406]"}) == 0
    before, asked = tables(tmp_path), len(service.asked)
    capsys.readouterr()
    assert fetch(service, tmp_path, flags=["--json"], **SMALL | {"more": "tiles = [2241, 2243, 2406]"}) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["fetched"], record["tiles"], record["rows"]) == (0, 3, 12)
    assert len(service.asked) == asked, "a list of tiles that are all here needs no service"
    assert tables(tmp_path) == before
    damaged = next((tmp_path / "run" / "work" / "fetch").glob("*/2241.*.parquet"))
    damaged.write_bytes(b"damaged")
    assert fetch(service, tmp_path, **SMALL) == 0
    assert tables(tmp_path) == {name: before[name] for name in before}
    assert sum("= 2241" in query for query in service.asked[asked:]) == 1
    mine = tmp_path / "run" / "tables-mine"
    mine.mkdir()
    (mine / "2241.parquet").touch()
    assert fetch(service, tmp_path) == 0, "other columns are another query"
    assert (mine / "2241.parquet").is_file(), "what looks like ours, and is not, stays"
    shutil.rmtree(mine)
    assert pq.read_schema(tmp_path / "run" / "tables" / "2243.parquet").names == [*COLUMNS, *VECTORS]
    assert len(list((tmp_path / "run").glob("tables-*"))) == 1


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("submit", lambda answer: TEMPORARY),
        ("submit", lambda answer: None),
        ("look", lambda answer: None),
        ("watch", lambda answer: TEMPORARY),
        ("watch", lambda answer: {**answer, "body": "<uws:job"}),
        ("watch", lambda answer: {**answer, "status": 404, "body": ""}),
        ("watch", lambda answer: {**answer, "body": answer["body"].replace("COMPLETED", "ABORTED")}),
        ("result", lambda answer: {**answer, "body": answer["body"][:900], "claims": len(answer["body"])}),
        ("result", lambda answer: {**answer, "body": answer["body"][:900]}),
        ("result", lambda answer: {**answer, "status": 502, "body": "<html>bad gateway</html>"}),
        ("result", lambda answer: {**answer, "body": answer["body"].replace('value="OK"', 'value="ERROR"')}),
    ],
)  # fmt: skip
def test_what_fails_for_the_moment_is_asked_again(service, tmp_path, kind, change):
    service.fail(kind, change, times=2, query="= 2243")
    assert fetch(service, tmp_path, **SMALL) == 0
    faulty = service.faults[0]
    assert faulty.times < 2
    assert set(tables(tmp_path)) == {f"{tile}.parquet" for tile in TILES}
    assert not service.jobs, "jobs stay on the service"


def test_transient_error_of_a_job_is_asked_again_and_another_is_not(service, tmp_path, capsys):
    error = '<uws:errorSummary type="{}"><uws:message>disk of the {} is full</uws:message></uws:errorSummary></uws:job>'

    def failing(kind):
        return lambda answer: {
            **answer,
            "body": answer["body"]
            .replace("COMPLETED", "ERROR")
            .replace("EXECUTING", "ERROR")
            .replace("QUEUED", "ERROR")
            .replace("</uws:job>", error.format(kind, "database")),
        }

    service.fail("watch", failing("transient"), times=2, query="= 2243")
    assert fetch(service, tmp_path, **SMALL) == 0
    assert sum("= 2243" in query for query in service.asked) == 2
    service.fail("watch", failing("fatal"), times=2, query="= 2406")
    for path in (tmp_path / "run" / "work" / "fetch").glob("*/ledger/2406.*"):
        path.unlink()
    before = tables(tmp_path)
    assert fetch(service, tmp_path, **SMALL) == 2
    assert "disk of the database is full" in capsys.readouterr().err
    assert tables(tmp_path) == before, "the version of before stays"


def test_service_that_stays_away_ends_the_run_and_it_goes_on_later(service, tmp_path, capsys):
    service.fail("submit", lambda answer: TEMPORARY, times=1000, query="= 2406")
    assert fetch(service, tmp_path, **SMALL) == 75
    assert "HTTP 503" in capsys.readouterr().err
    assert not (tmp_path / "run" / "tables").exists(), "half of the tiles must not be seen"
    service.faults.clear()
    asked = len(service.asked)
    assert fetch(service, tmp_path, **SMALL) == 0
    assert not any("= 2241" in query for query in service.asked[asked:])
    assert len(tables(tmp_path)) == 3


def test_refused_query_is_told_once_in_the_words_of_the_service(service, tmp_path, capsys):
    assert fetch(service, tmp_path, columns='["no_such_column"]', more="") == 2
    assert "no_such_column" in capsys.readouterr().err
    assert sum("no_such_column" in query for query in service.asked) == 1
    assert fetch(service, tmp_path, table="mock.nothing", more="") == 2
    assert "Could not locate table 'mock.nothing'" in capsys.readouterr().err


def overflowing(answer):
    return {
        **answer,
        "body": answer["body"].replace("</RESOURCE>", '<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>'),
    }  # fmt: skip


def test_truncation_is_noticed(service, tmp_path, capsys):
    service.fail("result", overflowing, times=1000, query="= 2406")
    assert fetch(service, tmp_path, **SMALL) == 2
    error = capsys.readouterr().err
    assert "tile 2406" in error
    assert "OVERFLOW" in error
    assert not (tmp_path / "run" / "tables").exists()


def test_fewer_rows_than_counted_are_noticed(service, tmp_path, capsys):
    # the service's own answer of one row, which no longer says that it is not all
    cut = next(
        job for job in service.recorded["jobs"] if "number FROM" in job["query"] and job["maxrec"] == 1
    )
    short = {**cut["result"], "body": cut["result"]["body"].replace('value="OVERFLOW"', 'value="OK"')}
    service.fail(
        "result", lambda answer: short, times=1000, query="number FROM mock.objects WHERE tile_id = 2241"
    )
    assert fetch(service, tmp_path, **SMALL) == 2
    error = capsys.readouterr().err
    assert "counts 4 rows and gave 1" in error
    assert any("COUNT(*) AS n FROM mock.objects WHERE tile_id = 2241" in query for query in service.asked)


def test_unknown_tile_is_refused(service, tmp_path, capsys):
    assert fetch(service, tmp_path, **SMALL | {"more": "tiles = [9999]"}) == 2
    assert "no rows with tile_id = 9999" in capsys.readouterr().err


def test_jobs_of_a_killed_run_are_deleted(service, tmp_path):
    assert fetch(service, tmp_path, **SMALL) == 0
    left = next(iter(service.recorded["jobs"]))
    service.jobs["left"] = {**left, "step": 0}
    run = next((tmp_path / "run" / "work" / "fetch").glob("*/ledger")).parent
    (run / "abc.job").write_text(f"{service.address}/tap/async/left\n")
    (run / "other.job").write_text("http://127.0.0.1:9/async/not_ours\n")
    assert fetch(service, tmp_path, **SMALL) == 0
    assert "left" not in service.jobs
    assert sorted(path.name for path in run.glob("*.job")) == ["other.job"]


def test_no_more_jobs_at_once_than_allowed(service, tmp_path):
    assert fetch(service, tmp_path, **SMALL | {"more": "jobs_at_once = 1"}) == 0
    assert service.most == 1


LOGIN = """
[fetch.login]
user = "astronomer"
address = "{}/login"
"""
PASSWORD = "swordfish-of-2026"


def test_password_is_used_and_never_written(tmp_path, monkeypatch, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("JPASBATCH_FETCH_PASSWORD", PASSWORD)
    with replay(password=PASSWORD) as service:
        assert fetch(service, tmp_path, **SMALL | {"more": LOGIN.format(service.address)}) == 0
        # the session ends in the middle, and an answer repeats the password
        service.fail(
            "submit", lambda answer: {"status": 401, "headers": {}, "body": f"not {PASSWORD}"}, times=99
        )
        for path in (tmp_path / "run" / "work" / "fetch").glob("*/ledger/2406.*"):
            path.unlink()
        flags = ["--verbose", "--json"]
        assert fetch(service, tmp_path, flags=flags, **SMALL | {"more": LOGIN.format(service.address)}) == 2
        assert sum(PASSWORD in body for body in service.bodies) > 2, "it logs in again"
    captured = capsys.readouterr()
    assert "***" in captured.err
    told = captured.out + captured.err + caplog.text
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD not in told
    assert PASSWORD.encode() not in written


def test_wrong_password_is_refused_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JPASBATCH_FETCH_PASSWORD", "another")
    with replay(password=PASSWORD) as service:
        assert fetch(service, tmp_path, **SMALL | {"more": LOGIN.format(service.address)}) == 2
    assert "did not let 'astronomer' in" in capsys.readouterr().err


def test_login_needs_somebody_to_ask(service, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("JPASBATCH_FETCH_PASSWORD", raising=False)
    assert fetch(service, tmp_path, **SMALL | {"more": LOGIN.format(service.address)}) == 2
    assert "JPASBATCH_FETCH_PASSWORD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("tiles = []", "tiles"),
        ("tiles = [1, 1]", "listed twice"),
        ('tiles = "/no/such/file"', "cannot be read"),
        ("jobs_at_once = 0", "jobs_at_once"),
        ('[fetch.login]\naddress = "http://example.org/login"', "not encrypted"),
        ('[fetch.login]\nkind = "basic"\naddress = "https://example.org/login"', "address belongs"),
    ],
)
def test_wrong_options_are_refused(service, tmp_path, capsys, more, named):
    assert fetch(service, tmp_path, **SMALL | {"more": more}) == 2
    assert named in capsys.readouterr().err
    assert not service.asked


def test_password_in_the_address_is_refused(tmp_path, capsys):
    with replay() as service:
        assert fetch(service, tmp_path, **SMALL | {"address": "https://user:secret@example.org"}) == 2
    assert "without a user" in capsys.readouterr().err
