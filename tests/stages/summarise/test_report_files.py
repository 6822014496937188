"""The page, and the numbers of its figures beside it."""

import pytest

from jpasbatch.stages.pipeline import run_stage
from tests.products.page_rules import broken_rules, read_page
from tests.stages.tiny_run import serial, workspace_of


def test_a_finished_run_has_a_page_that_keeps_all_rules(finished):
    page = (finished / "report.html").read_text(encoding="utf-8")
    files = {f"report/{one.name}" for one in (finished / "report").iterdir()}
    assert broken_rules(page, files) == []
    assert files <= set(workspace_of(finished).require("summarise")["files"])
    beside = {one for one in read_page(page).links if not one.startswith(("#", "data:"))}
    assert all((finished / one).is_file() for one in beside)


@pytest.mark.usefixtures("blank_figures")
def test_numbers_of_figures_that_are_gone_go_and_nothing_else_does(finished_copy):
    folder = finished_copy / "report"
    assert (folder / "literature.csv").is_file()
    (folder / "mine.csv").write_text("a note\n")
    (folder / "yield0.csv").write_text("changed by somebody\n")
    job = finished_copy / "tiny.toml"
    job.write_text("literature = []\n" + job.read_text())
    run_stage("summarise", workspace_of(finished_copy), serial())
    assert not (folder / "literature.csv").exists()
    assert (folder / "mine.csv").read_text() == "a note\n"
    assert (
        (folder / "yield0.csv").read_text().startswith("rule,")
    )  # the page has this one: it is written anew
