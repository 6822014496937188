"""Published counts: only the same quantity is compared, and what is not says why."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.job.job import load_job
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.counts.tally import CountOptions, CountTally
from jpasbatch.products.literature.matching import INTERPOLATED, PUBLISHED, class_groups, density_between
from jpasbatch.products.literature.product import DEFAULT, Literature
from jpasbatch.products.literature.published import (
    LiteratureOptions,
    PublishedCount,
    PublishedTable,
    built_in_tables,
    load_published,
)
from jpasbatch.products.protocol import Findings, Partition, Setting
from tests.products.test_tallies import DEFINITIONS, partition_of

PD16 = load_published(DEFAULT[0])


def table_of(*counts, **options) -> PublishedTable:
    given = {"truth": ("qso",), "band_role": "r"} | options
    return PublishedTable("test", "Test et al.", "a paper", "its table 1", counts=counts, **given)


@pytest.fixture(scope="module")
def whole(sky):
    return partition_of(sky[0], sky[2])


@pytest.fixture(scope="module")
def product(survey):
    return Literature(Setting(survey, DEFINITIONS), Literature.options_of({"literature": DEFAULT}))


@pytest.fixture(scope="module")
def found(product, whole):
    return product.extract(product.add(product.create(), whole), None)


def findings_of(product, area_deg2=2.0) -> Findings:
    counts = CountTally.create(CountOptions(area_deg2=area_deg2), 3).extract()
    return Findings(product.setting, {"counts": counts}, "")


def test_every_table_of_the_package_says_where_it_is_from():
    assert set(built_in_tables()) >= {one.name for one in DEFAULT}
    for name in built_in_tables():
        table = load_published(LiteratureOptions(name=name))
        assert table.name == name
        assert len(table.source) > 20
        assert "compared" in table.source or "abstract" in table.source


def test_the_transcribed_numbers_add_up():
    """The sums stand in the README of the data set that the numbers were taken from."""
    bright = [one for one in PD16.counts if one.faintest <= 22.5 and one.brightest >= 17.0]
    assert sum(one.per_deg2 for one in bright) == pytest.approx(28 + 195, abs=3)
    low = [one for one in bright if one.redshift[1] <= 1.0]
    assert sum(one.per_deg2 for one in low) == pytest.approx(7.8 + 37, abs=1)


def test_any_partitions_give_the_same_tally(product, whole):
    owner = np.random.default_rng(6).integers(0, 7, len(whole.labels))
    total = product.create()
    for part in range(7):
        rows = np.flatnonzero(owner == part)
        piece = Partition(whole.predictions.take(rows), whole.photometry, whole.labels[rows])
        tally = product.add(product.create(), piece)
        total = product.merge(product.from_record(product.to_record(tally)), total)
    assert product.to_record(total) == product.to_record(product.add(product.create(), whole))


def test_numbers_are_those_within_the_limits(found, whole):
    record = whole.predictions
    for one in found.comparisons:
        magnitude = record[f"magnitude_{one.interval.band_role}"].to_numpy()
        inside = (magnitude >= one.interval.brightest) & (magnitude < one.interval.faintest)
        columns = [record[f"probability_{name}"].to_numpy()[inside] for name in one.group.classes]
        assert one.number == pytest.approx(np.sum(columns, dtype=np.float64), abs=1e-3)
        members = [list(DEFINITIONS).index(name) for name in one.group.classes]
        assert one.true == np.isin(whole.labels[inside], members).sum()
        assert np.isnan(one.error)  # probabilities are not corrected here


def test_each_table_is_compared_where_it_fits(found):
    made = {}
    for one in found.comparisons:
        made.setdefault(one.table.name, {}).setdefault(one.group.classes, []).append(one)
    both = ("qso_low", "qso_high")
    assert set(made["palanque_delabrouille_2016"]) == {("qso_low",), ("qso_high",), both}
    whole = made["palanque_delabrouille_2016"][both]
    assert {one.published.how for one in whole} == {PUBLISHED}
    assert len(whole) == 18  # 17 bins and their sum
    (total,) = (one for one in whole if one.total)
    assert total.interval[1:] == (15.5, 23.5)  # the survey's bins end at 23.6
    assert total.published.per_deg2 == pytest.approx(sum(one.published.per_deg2 for one in whole[:16]))
    assert {one.published.how for one in made["palanque_delabrouille_2016"][both[:1]]} == {INTERPOLATED}
    assert set(made["desi_2023"]) == {("qso_high",), both}
    assert made["desi_2023"]["qso_high",][0].published.per_deg2 == 60.0
    assert [one.interval.band_role for one in made["abramo_2012"][both]] == ["g"]
    assert set(made["abramo_2012"]) == {both}


def test_what_is_not_compared_is_told(found):
    (desi,) = (text for text in found.left_out if text.startswith("DESI"))
    assert "qso_low: its redshifts (0 to ∞, 2.1 to ∞) do not give 0 to 2.1" in desi
    assert sum(text.startswith("Abramo") for text in found.left_out) == 2


def test_a_band_that_the_survey_lacks_and_classes_of_another_kind_are_told(survey, whole):
    options = (LiteratureOptions(name="desi_2023", band_role="K"),)
    other = Literature(Setting(survey, DEFINITIONS), Literature.options_of({"literature": options}))
    found = other.add(other.create(), whole)
    assert other.extract(found, None).left_out == (
        "DESI, Chaussidon et al. 2023: its magnitudes are in K, which the survey does not report (u, g, r, i).",
    )
    kinds = {"star": ClassDefinition(("star",)), "rest": ClassDefinition(("galaxy", "qso"))}
    mixed = Literature(Setting(survey, kinds), other.options_of({"literature": DEFAULT[1:2]}))
    record = whole.predictions.select(["magnitude_r"]).append_column(
        "probability_star", [np.ones(2000, np.float32)]
    )
    record = record.append_column("probability_rest", [np.zeros(2000, np.float32)])
    told = mixed.extract(
        mixed.add(mixed.create(), Partition(record, whole.photometry, np.zeros(2000, np.int16))), None
    )
    assert told.comparisons == ()
    assert "no class of the job is of true_class qso alone" in told.left_out[0]
    findings = findings_of(mixed)
    assert mixed.section(told, findings, mixed.figures(told, findings)) is None
    assert mixed.files(told, lambda _: iter(()), "now", findings) == {}


def test_redshifts_between_those_of_a_table():
    limits = (20.0, 20.5)
    low = density_between(PD16, limits, (0.0, 2.1))
    high = density_between(PD16, limits, (2.1, math.inf))
    every = density_between(PD16, limits, (0.0, math.inf))
    assert low is not None
    assert high is not None
    assert every is not None
    assert low.how == high.how == INTERPOLATED
    assert low.per_deg2 + high.per_deg2 == pytest.approx(every.per_deg2)
    at_two = sum(one.per_deg2 for one in PD16.within(limits)[:2])
    assert at_two < low.per_deg2 < at_two + 0.25 * PD16.within(limits)[2].per_deg2
    strict = replace(PD16, interpolate_redshift=False)
    assert density_between(strict, limits, (0.0, 2.1)) is None
    assert density_between(strict, limits, (1.0, 3.0)) is not None
    ending = replace(PD16, few_beyond_redshift=False)
    assert density_between(ending, limits, (2.1, math.inf)) is None


def test_errors_add_in_quadrature():
    counts = (
        PublishedCount(18.0, 19.0, 2.0, (0.0, 1.0), 0.3),
        PublishedCount(18.0, 19.0, 4.0, (1.0, 9.0), 0.4),
    )
    found = density_between(table_of(*counts), (18.0, 19.0), (0.0, math.inf))
    assert found is not None
    assert (found.per_deg2, found.error) == (6.0, pytest.approx(0.5))


def test_named_classes_are_taken_together():
    kinds = {
        "star": ClassDefinition(("star",)),
        "broad": ClassDefinition(("bal",)),
        "plain": ClassDefinition(("quasar",)),
    }
    table = table_of(PublishedCount(18.0, 19.0, 2.0))
    assert class_groups(table, kinds) == ()
    (group,) = class_groups(table, kinds, ("broad", "plain"))
    assert group.classes == ("broad", "plain")


def test_files_and_page_show_the_same(product, found, tmp_path):
    from astropy.table import Table

    findings = findings_of(product)
    files = product.files(found, lambda _: iter(()), "2027-01-15T12:00:00", findings)
    assert list(files) == ["counts/literature.ecsv", "counts/literature.parquet"]
    buffer = io.BytesIO()
    files["counts/literature.ecsv"](buffer)
    path = tmp_path / "literature.ecsv"
    path.write_bytes(buffer.getvalue())
    table = Table.read(path)
    assert len(table) == len(found.comparisons)
    assert str(table["published_per_deg2"].unit) == "1 / deg2"
    assert "not compared with the printed table" in " ".join(
        table.meta["source_palanque_delabrouille_2016"].split()
    )
    assert table["per_deg2"][0] == pytest.approx(found.comparisons[0].number / 2.0)
    section = product.section(found, findings, product.figures(found, findings))
    assert section is not None
    assert "≥ 200.0" in section.body
    assert "Not compared: DESI" in section.body
    told = product.summary(found, findings)["literature"]
    assert len(told["comparisons"]) == len(found.comparisons)
    assert len(told["not_compared"]) == len(found.left_out)


def test_without_an_area_nothing_is_drawn(product, found):
    findings = Findings(product.setting, {}, "")
    assert product.figures(found, findings) == {}
    section = product.section(found, findings, {})
    assert section is not None
    assert "The area is not known" in section.body


FILE = """
name = "mine"
title = "Mine"
reference = "in preparation"
source = "my notes"
truth = ["qso"]
band_role = "r"
counts = [ { brightest = 17.0, faintest = 22.0, per_deg2 = 100.0, error = 5.0 } ]
"""


def test_a_table_of_a_user(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    table = load_published(LiteratureOptions(file=str(path)))
    assert table.counts[0].redshift == (0.0, math.inf)
    assert table.counts[0].error == 5.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("error = 5.0", "errors = 5.0", "unknown key 'errors'"),
        ("faintest = 22.0", "faintest = 16.0", "the first must be less"),
        ("per_deg2 = 100.0", "per_deg2 = -1.0", "per_deg2"),
        ("per_deg2 = 100.0", "per_deg2 = 1e300", "per_deg2"),
        ('truth = ["qso"]', "truth = []", "truth"),
        ("counts = [", "counts = [ {", "not valid TOML"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, old, new, message):
    path = tmp_path / "mine.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_published(LiteratureOptions(file=str(path)))


def test_a_job_names_a_table_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = tmp_path / "job.toml"
    job.write_text('name = "job"\nsurvey = "jpas60"\n[[literature]]\nfile = "mine.toml"\n')
    with pytest.raises(InputError, match=r"mine\.toml: cannot be read"):
        load_job(job)
    (tmp_path / "mine.toml").write_text(FILE)
    (named,) = load_job(job).literature
    assert named.file == str(tmp_path / "mine.toml")


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="give one of them"):
        LiteratureOptions()
    with pytest.raises(ValueError, match="allowed are abramo_2012"):
        LiteratureOptions(name="desi_2030")
    with pytest.raises(ValueError, match="cannot be read"):
        load_published(LiteratureOptions(file=str(tmp_path / "none.toml")))
    twice = PublishedCount(18.0, 19.0, 2.0)
    with pytest.raises(ValueError, match="twice"):
        table_of(twice, twice)


def test_a_job_may_compare_with_nothing(survey, whole):
    none = Literature(Setting(survey, DEFINITIONS), Literature.options_of({"literature": ()}))
    tally = none.merge(none.create(), none.from_record(none.to_record(none.add(none.create(), whole))))
    found = none.extract(tally, None)
    assert (found.comparisons, found.left_out) == ((), ())
    assert none.figures(found, findings_of(none)) == {}
