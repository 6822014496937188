"""Calibration of a sky: corrected and raw beside each other, the same of any partitions, in files."""

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from jpasbatch.products.protocol import Findings, Partition, Setting
from jpasbatch.products.reliability import COMMITTEE, SKY, Reliability
from jpasbatch.scoring.metrics import ReliabilityTally
from tests.priors.conftest import CLASSES, draw
from tests.products.test_count_errors import DEFINITIONS, counted


@pytest.fixture(scope="module")
def product(survey):
    return Reliability(Setting(survey, DEFINITIONS, 4, True))


@pytest.fixture(scope="module")
def rows(survey):
    validation = draw(np.random.default_rng(1), (5000, 5000, 5000), (0.5, 0.5, 0.5)).sample()
    sky = draw(np.random.default_rng(2), (3000, 12_000, 400), (0.9, 0.1, 0.9))
    whole = counted(sky, validation, survey)[1]
    table = whole.predictions
    for number, name in enumerate(CLASSES[:2]):
        own = sky.probabilities[:, number].astype(np.float32)
        table = table.append_column(f"committee_probability_{name}", [own])
    return Partition(table, whole.photometry, whole.labels)


@pytest.fixture(scope="module")
def found(product, rows):
    return product.extract(product.add(product.create(), rows), None)


def test_correction_shows_in_the_numbers(product, rows, found):
    told = product.summary(found, Findings(product.setting, {}, ""))["scores"]
    by_class = {kind: told["calibration"][kind]["quasar"]["ece_equal_width"] for kind in (SKY, COMMITTEE)}
    assert by_class[SKY]["value"] < 0.3 * by_class[COMMITTEE]["value"]
    for kind, prefix in ((SKY, ""), (COMMITTEE, "committee_")):
        said = np.column_stack(
            [rows.predictions[f"{prefix}probability_{name}"].to_numpy() for name in CLASSES]
        )
        direct = ReliabilityTally.create(3).add(rows.labels, said).extract()
        assert by_class[kind]["value"] == pytest.approx(direct.ece_by_class[2], abs=1e-8)
    assert told["expected_calibration_error"] == pytest.approx(
        told["calibration"][SKY]["classwise"]["ece_equal_width"]["value"]
    )
    assert (
        told["calibration"][SKY]["all"]["brier"]["value"]
        < told["calibration"][COMMITTEE]["all"]["brier"]["value"]
    )


@pytest.mark.parametrize("parts", [2, 30])
def test_any_partitions_give_the_same_tally(product, rows, parts):
    owner = np.random.default_rng(6).integers(0, parts, len(rows.labels))
    total = product.create()
    for part in range(parts):
        chosen = np.flatnonzero(owner == part)
        piece = Partition(rows.predictions.take(chosen), rows.photometry, rows.labels[chosen])
        tally = product.from_record(product.to_record(product.add(product.create(), piece)))
        total = product.merge(tally, total)
    assert product.to_record(total) == product.to_record(product.add(product.create(), rows))


def test_files_hold_every_number_with_its_error(product, found, tmp_path):
    from astropy.table import Table

    findings = Findings(product.setting, {}, "from the catalogue")
    files = {}
    for name, write in product.files(found, lambda _: iter(()), "2027-01-15T12:00:00", findings).items():
        buffer = io.BytesIO()
        write(buffer)
        files[name] = buffer.getvalue()
    assert list(files) == [
        f"reliability/{stem}.{end}" for stem in ("calibration", "curves") for end in ("ecsv", "parquet")
    ]
    path = tmp_path / "calibration.ecsv"
    path.write_bytes(files["reliability/calibration.ecsv"])
    table = Table.read(path)
    # classes and confidence have five numbers each, the mean over the classes three
    assert len(table) == 2 * 4 * (4 * 5 + 3)
    assert set(table["group"]) == {*product.groups, "all"}
    assert table.meta["truth"] == "from the catalogue"
    curves = pq.read_table(io.BytesIO(files["reliability/curves.parquet"]))
    assert curves.num_rows == 2 * 4 * 4 * 10
    fraction, lower, upper = (curves[name].to_numpy() for name in ("fraction", "lower", "upper"))
    filled = curves["objects"].to_numpy() > 0
    assert (lower[filled] <= fraction[filled]).all()
    assert (fraction[filled] <= upper[filled]).all()
    assert np.isnan(fraction[~filled]).all()


def test_the_page_shows_both(product, found):
    findings = Findings(product.setting, {}, "")
    figures = product.figures(found, findings)
    panels = figures["reliability"].drawing.panels
    assert [panel.title.partition(":")[0] for panel in panels] == ["before", "after"]
    own = figures["reliability"].numbers["probabilities"] == panels[0].title
    assert 0 < own.sum() < len(own)
    section = product.section(found, findings, dict.fromkeys(figures, ""))
    assert section is not None
    assert "under the class mix of this sky;" in section.body
    assert "as the committee gives them;" in section.body
    assert "not corrected" not in section.body


def test_where_no_truth_is_known_there_is_nothing(product, rows):
    unknown = Partition(rows.predictions, rows.photometry, np.full(len(rows.labels), -1, dtype=np.int16))
    found = product.extract(product.add(product.create(), unknown), None)
    findings = Findings(product.setting, {}, "")
    assert product.figures(found, findings) == product.files(found, None, "", findings) == {}
    assert product.section(found, findings, {}) is None
    assert product.summary(found, findings) == {}
