"""Units of systemd and the script of cron: valid, hardened, and with each exit code they do what their pages say."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*@.*"))
SCRIPT = DEPLOY / "cron" / "jpasbatch-cron"
CRONTAB = DEPLOY / "cron" / "jpasbatch.crontab"


@pytest.fixture
def installed(tmp_path) -> list[Path]:
    """Return the units as an instance each, whose program exists here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    found = []
    for unit in UNITS:
        path = tmp_path / unit.name.replace("@.", "@sky.")
        path.write_text(unit.read_text().replace("/opt/jpasbatch/bin/jpasbatch", "/bin/true"))
        found.append(path)
    return found


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_units_are_valid(installed):
    found = analyze("verify", *map(str, installed))
    assert (found.returncode, found.stderr) == (0, "")


def test_a_wrong_unit_would_be_seen(installed):
    service = next(path for path in installed if path.name == "jpasbatch-update@sky.service")
    service.write_text(service.read_text().replace("Restart=on-failure", "Restart=always"))
    assert analyze("verify", str(service)).returncode != 0


def test_services_are_hardened(installed):
    for service in (path for path in installed if path.suffix == ".service"):
        found = analyze("security", "--offline=true", "--threshold=20", str(service))
        if "Unknown option" in found.stderr or "unrecognized option" in found.stderr:
            pytest.skip("this systemd-analyze does not look at units offline")
        assert found.returncode == 0, found.stdout  # exposure of 2.0 at most, of 10


def test_services_try_again_what_can_be_tried_again():
    service = (DEPLOY / "systemd" / "jpasbatch-update@.service").read_text()
    assert "Restart=on-failure" in service
    assert "RestartPreventExitStatus=1 2 3 4\n" in service


def test_the_crontab_has_five_fields_and_a_command():
    lines = [line for line in CRONTAB.read_text().splitlines() if line and not line.startswith("#")]
    commands = [line for line in lines if not re.match(r"[A-Z]+=", line)]
    assert len(commands) == 2
    for line in commands:
        assert re.match(r"\d+ \d+ \* \* [\d*]\s+jpasbatch-cron (update|prune) \S", line)
        assert "%" not in line  # cron would break the line there


@pytest.fixture
def cron(tmp_path):
    """Return what runs the script with a program that ends with given codes, one after another."""

    def run(*codes: int, program: str = "") -> tuple[int, str, int]:
        (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
        fake = tmp_path / "jpasbatch"
        fake.write_text(
            f'#!/bin/sh\ncd {tmp_path}\necho "$@" >>called\n'
            f"code=$(head -n 1 codes)\nsed -i 1d codes\necho told\n{program}\nexit $code\n"
        )
        fake.chmod(0o755)
        environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PAUSE": "0"}
        found = subprocess.run(
            [str(SCRIPT), "update", "a job.toml"], env=environment, capture_output=True, text=True, timeout=30
        )
        return found.returncode, found.stdout, len((tmp_path / "called").read_text().splitlines())

    return run


def test_cron_is_silent_when_all_is_well(cron):
    assert cron(0) == (0, "", 1)


@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_what_wants_a_person_is_told_at_once(cron, code):
    found, text, calls = cron(code)
    assert (found, calls) == (code, 1)
    assert f"exit code {code} (try 1 of 4):\ntold" in text


def test_what_can_be_tried_again_is_tried_again(cron):
    assert cron(75, 75, 0) == (0, "", 3)


def test_it_is_not_tried_for_ever(cron):
    found, text, calls = cron(75, 75, 75, 75, 0)
    assert (found, calls) == (75, 4)
    assert "try 4 of 4" in text


def test_a_stop_reaches_the_run_and_its_own_code_counts(tmp_path):
    fake = tmp_path / "jpasbatch"
    fake.write_text(
        f"#!/bin/sh\ntrap 'echo stopped; exit 75' TERM\ntouch {tmp_path}/ready\nwhile :; do sleep 0.05; done\n"
    )
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PAUSE": "0"}
    with subprocess.Popen(
        [str(SCRIPT), "update"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "ready").exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        text, _ = process.communicate(timeout=20)
    assert (process.returncode, text) == (75, "stopped\n")
