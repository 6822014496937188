"""The pages of evaluations, comparisons and mock skies as people see them: on a telephone, a tablet and a desk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from jpasbatch.learning.curves import Curve
from jpasbatch.mocks.realism.report import render_realism
from jpasbatch.pages.figures import Report
from jpasbatch.scoring import comparison_report, evaluation_report
from jpasbatch.scoring.calibration_scores import sample_scores
from jpasbatch.scoring.comparison_report import render_comparison
from jpasbatch.scoring.evaluation import evaluate
from jpasbatch.scoring.evaluation_record import EvaluatedSample, score_parts
from jpasbatch.scoring.evaluation_report import PageFacts, render_evaluation
from tests.chromium import Browser, browser
from tests.learning.test_curves import curve_of
from tests.mocks.realism.test_report import FACTS as MOCK_FACTS
from tests.mocks.realism.test_report import content_of as mock_content
from tests.page_rules import WIDTHS, broken_links, captured_figures, check_letters, check_width
from tests.products.page_rules import lost_values
from tests.scoring.comparisons import read_comparison
from tests.scoring.stressed import CLASSES, content_of
from tests.scoring.test_evaluation import BINS, sample
from tests.stages.evaluate.test_compare import compared

__all__ = ["compared"]

pytestmark = pytest.mark.slow

FACTS = PageFacts(
    job="a-job",
    title="A committee",
    survey="jpas60",
    committee="committee-0",
    model={"kind": "mlp"},
    features="relative_flux",
    members=2,
    calibration="magnitude",
    warnings=(),
    machines=("a processor",),
    version="1.0",
    date="2027-01-15",
)


def evaluation_page(survey) -> Report:
    """Return the page of a synthetic sample, under stress too, with the curves of two members."""
    predictions = sample()
    part = EvaluatedSample(
        name="mocks",
        rows=len(predictions),
        rejected={},
        few_bands=0,
        examples=(),
        calibration=tuple(sample_scores(predictions, {"all r": BINS[0]}, CLASSES, 1)),
        stress=content_of(survey, 300),
        **score_parts(evaluate(predictions, survey.magnitude_bins, draws=20), survey, CLASSES),
    )
    curves: list[Curve] = [curve_of(9, 4), curve_of(7, 7, seed=1)]
    return render_evaluation({"mocks": part}, {"mocks": ()}, FACTS, survey, curves)


def comparison_page(folder: Path, survey) -> Report:
    """Return the page of a comparison that was made, as it is written again."""
    stored = json.loads((folder / "result" / "comparison.json").read_bytes())
    return render_comparison(read_comparison(stored), survey)


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module", params=["evaluation", "comparison", "realism"])
def page(request, survey, tmp_path_factory) -> Path:
    if request.param == "evaluation":
        report = evaluation_page(survey)
    elif request.param == "realism":
        report = render_realism(mock_content(), MOCK_FACTS)
    else:
        folder = request.getfixturevalue("compared")[0]
        report = comparison_page(folder, survey)
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    path.write_text(report.page, encoding="utf-8")
    return path


def test_the_numbers_of_an_evaluation_are_those_that_are_drawn(survey, monkeypatch):
    drawn = captured_figures(monkeypatch, evaluation_report)
    report = evaluation_page(survey)
    assert broken_links(report) == []
    assert {name: lost_values(one) for name, one in drawn} == {name: [] for name, _ in drawn}
    assert len(drawn) == 8


def test_the_numbers_of_a_comparison_are_those_that_are_drawn(compared, survey, monkeypatch):
    drawn = captured_figures(monkeypatch, comparison_report)
    assert broken_links(comparison_page(compared[0], survey)) == []
    assert {name: lost_values(one) for name, one in drawn} == {name: [] for name, _ in drawn}


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_lies_beside_the_screen_and_letters_can_be_read(tab, page, width):
    check_width(tab, page, width, page.stem)
    check_letters(tab, more_than=100)
