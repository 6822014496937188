"""Tables that a job names are looked at before a run begins."""

import pytest

from jpasbatch.errors import InputError
from jpasbatch.stages.pipeline import run_verb
from jpasbatch.stages.request import Request

OWN, LAST = "redraws = 3", "min_probability = 0.9\n"


def test_tables_that_are_wrong_stop_a_run_before_it_begins(trained_copy):
    job, table = trained_copy / "tiny.toml", trained_copy / "table.csv"
    table.write_text("nothing,else\n1,2\n")
    plain = job.read_text()
    named = {
        r"\[prior\] table": (OWN, f'kind = "table"\ntable = "{table}"'),
        r"\[\[targets\]\] exclude ": (LAST, f'{LAST}exclude = "{table}"\n'),
        r"\[\[targets\]\] exclude_circles": (LAST, f'{LAST}exclude_circles = "{table}"\n'),
        r"\[\[targets\]\] fields": (LAST, f'{LAST}per_field = 3\nfields = "{table}"\n'),
        "submission.template": (LAST, f'{LAST}\n[submission]\ntemplate = "{table}"\n'),
    }
    for message, (old, new) in named.items():
        job.write_text(plain.replace(old, new))
        with pytest.raises(InputError, match=rf"{message}.*table\.csv"):
            run_verb(Request("run", job, trained_copy, serial=True))
    assert not (trained_copy / "work" / "infer.json").exists()


def test_a_path_that_the_locale_does_not_have_is_named(tmp_path):
    path = tmp_path / "job\udcc3.toml"
    with pytest.raises(InputError, match=r"job\\udcc3\.toml: the locale of this process"):
        run_verb(Request("run", path, tmp_path, serial=True))
