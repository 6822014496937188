"""Who decides about a version, or mends a folder, may have people told of it as a run does."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stages.publish.versions import command, decide
from tests.stages.tiny_run import workspace_of

pytestmark = pytest.mark.usefixtures("unchanged_process")

CODE = "import sys; open(sys.argv[1], 'ab').write(sys.stdin.buffer.read() + b'\\n')"


@pytest.fixture
def notify(tmp_path) -> tuple[str, Callable[[], list[dict]]]:
    """Return the flag's file, and what its command was told so far."""
    target, file = tmp_path / "told", tmp_path / "notify.toml"
    file.write_text(f"[notify]\ncommand = {json.dumps([sys.executable, '-S', '-c', CODE, str(target)])}\n")

    def told() -> list[dict]:
        return [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []

    return str(file), told


def test_a_decision_about_a_version_is_told(gated, notify):
    file, told = notify
    decide(gated)
    assert decide(gated, 1.5).state == "held"
    assert command(gated, "publish", "--notify", file) == 2  # without a reason
    assert command(gated, "publish", "--accept", "looked at it", "--notify", file) == 0
    assert decide(gated, 2.0).state == "held"
    assert command(gated, "discard", "--notify", file) == 0
    found = [
        (one["verb"], one["event"], one["publication"] and one["publication"]["state"]) for one in told()
    ]
    assert found == [
        ("publish", "failure", None),
        ("publish", "success", "published"),
        ("discard", "success", "discarded"),
    ]
    assert told()[1]["text"].endswith(": version 2 is published")
    assert {one["job"] for one in told()} == {"tiny"}


def test_a_repair_is_told(finished_copy, notify, capsys):
    file, told = notify
    workspace = workspace_of(finished_copy)
    assert command(workspace, "repair", "--serial", "--notify", file) == 0
    assert told() == []  # nothing was damaged, which is not told unless asked for
    (finished_copy / "summary.json").unlink()
    assert command(workspace, "repair", "--serial", "--notify", file) == 0
    [one] = told()
    assert (one["verb"], one["event"], one["stages"]["summarise"]["ran"]) == ("repair", "success", True)
    assert Path(finished_copy / "summary.json").is_file()
