"""Fetching from a real TAP service on this machine, and being killed twice."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("pyvo", reason="needs pyvo, of the extra 'fetch'")

from tests.stages.fetch.dachs import Server, dachs
from tests.stages.fetch.record import COLUMNS, VECTORS, mock_rows

TILES, ROWS_OF_A_TILE = 20, 2500
JOB = """\
name = "trial"
survey = "jpas60"
[fetch]
service = "{address}"
table = "mock.objects"
columns = {columns}
order = ["number"]
filter_table = "mock.filter"
"""


def start(job: Path, output: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "jpasbatch", "fetch", str(job), "--output", str(output), "--json"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)


def finish(job: Path, output: Path) -> dict:
    process = start(job, output)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return json.loads(out)


def kill_after(job: Path, output: Path, tiles: int, number: signal.Signals) -> int:
    """Start a fetch, kill it when so many tiles are committed, and return its exit code."""
    process = start(job, output)
    end = time.monotonic() + 300
    while len(list((output / "work" / "fetch").glob("*/ledger/2*.json"))) < tiles:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=120)
    return process.returncode


def digests(output: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (output / "tables").iterdir()
    }


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_twice_it_ends_with_the_same_bytes():
    rows = mock_rows(list(range(2241, 2241 + TILES)), ROWS_OF_A_TILE)
    # not below pytest's own folder, which is closed to the other user that runs the service
    with tempfile.TemporaryDirectory(prefix="fetch-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with dachs(folder / "server", rows) as server:
            check_killed_fetch(folder, server)


def check_killed_fetch(folder: Path, server: Server) -> None:
    job = folder / "job.toml"
    job.write_text(JOB.format(address=server.address, columns=json.dumps(COLUMNS + VECTORS)))
    undisturbed = finish(job, folder / "undisturbed")
    assert (undisturbed["tiles"], undisturbed["rows"]) == (TILES, TILES * ROWS_OF_A_TILE)
    assert server.jobs() == []
    killed = folder / "killed"
    assert kill_after(job, killed, 4, signal.SIGKILL) == -signal.SIGKILL
    assert not (killed / "tables").exists()
    assert kill_after(job, killed, 11, signal.SIGTERM) == 75
    assert server.jobs() == [], "an orderly stop leaves no job, nor one that an earlier run left"
    record = finish(job, killed)
    assert record["fetched"] <= TILES - 11
    assert record["rows"] == undisturbed["rows"]
    assert digests(killed) == digests(folder / "undisturbed")
    assert server.jobs() == []
    print(f"undisturbed {undisturbed['seconds']} s, the rest after two kills {record['seconds']} s")
