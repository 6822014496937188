"""Driver and workers run the same code, or none."""

import subprocess
import sys

import pytest

from jpasbatch import version
from jpasbatch.errors import InputError
from jpasbatch.stages.run.installation import installation_hash
from jpasbatch.stages.run.mapping import call_with_same_code


def test_the_hash_is_the_same_in_another_process():
    script = "from jpasbatch.stages.run.installation import installation_hash; print(installation_hash())"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == installation_hash()


@pytest.mark.parametrize("file", ["cli.py", "photometry/surveys/one.toml"])
def test_any_byte_of_any_file_counts(tmp_path, monkeypatch, file):
    here = tmp_path / "version.py"
    here.touch()
    monkeypatch.setattr(version, "__file__", str(here))
    changed = tmp_path / file
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text("# one\n")
    before = installation_hash.__wrapped__()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "cli.pyc").touch()
    assert installation_hash.__wrapped__() == before
    changed.write_text("# two\n")
    assert installation_hash.__wrapped__() != before
    changed.rename(changed.with_name("other.py"))
    assert installation_hash.__wrapped__() != before
    monkeypatch.setattr(version, "__version__", "0.0.1")
    assert installation_hash.__wrapped__() != before


def test_a_worker_with_other_code_is_refused():
    assert call_with_same_code(installation_hash(), max, (1, 2)) == 2
    with pytest.raises(InputError, match="another version of jpasbatch than the driver; install the same"):
        call_with_same_code("of another installation", max, (1, 2))
