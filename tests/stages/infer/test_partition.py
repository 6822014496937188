"""The pure half of infer, and the alignment that summarise relies on."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.learning.calibration import NoCalibration
from jpasbatch.learning.committee import Committee
from jpasbatch.learning.judgement import Jury
from jpasbatch.photometry.features.protocol import Features
from jpasbatch.photometry.features.registry import make_features
from jpasbatch.photometry.survey import Survey
from jpasbatch.products.tallies import Tallies
from jpasbatch.stages.infer.partition import classify
from jpasbatch.stages.summarise.rows import align, join
from jpasbatch.storage.catalogue.collection import open_catalogue
from jpasbatch.storage.catalogue.partitions import read_partition
from tests.stages.tiny_run import workspace_of

CLASSES = ("star", "galaxy", "qso_low", "qso_high")


class EvenEngine:
    """As much of an engine as a committee uses: it finds every class as probable."""

    def __init__(self) -> None:
        self.seen = 0

    def members(self, features: np.ndarray) -> np.ndarray:
        assert np.isfinite(features).all()
        self.seen = len(features)
        return np.full((len(features), 1, 4), 0.25, np.float32)


@dataclass(frozen=True)
class BrokenCalibration(NoCalibration):
    """A calibration that makes NaN of some rows."""

    rows: tuple[int, ...]

    def __call__(self, probabilities: np.ndarray, magnitude: np.ndarray | None) -> np.ndarray:
        broken = probabilities.copy()
        broken[list(self.rows)] = np.nan
        return broken


def even_committee(survey: Survey, features: Features, broken: tuple[int, ...] = ()) -> Committee:
    jury = replace(Jury.plain(), calibration=BrokenCalibration(broken))
    return Committee(survey, features, EvenEngine(), jury, CLASSES)


@pytest.fixture(scope="module")
def partition(finished) -> pa.Table:
    catalogue = open_catalogue(finished / "sky")
    return read_partition(catalogue.partition_path(*catalogue.pixels[0]))


def without_reference(table: pa.Table, survey, rows: list[int]) -> pa.Table:
    """Return the table with a reference flux that is not positive, or not observed, in some rows."""
    flux = np.array(table["flux"].combine_chunks().flatten()).reshape(table.num_rows, -1).copy()
    flux[rows[::2], survey.reference_index] = -1.0
    flux[rows[1::2], survey.reference_index] = np.nan
    field = table.schema.field("flux")
    column = pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), type=field.type)
    return table.set_column(table.schema.get_field_index("flux"), field, column)


@pytest.mark.parametrize("kind", ["relative_flux", "colours"])
def test_rows_without_finite_features_are_quarantined(partition, survey, kind):
    from jpasbatch.photometry.table import photometry_from_table

    rows = [0, 3, partition.num_rows - 1]
    table = without_reference(partition, survey, rows)
    features = make_features(kind, survey).fit(photometry_from_table(partition, survey))
    committee = even_committee(survey, features)
    records, rejected = classify(table, survey, committee)
    assert committee._engine.seen == records.num_rows == table.num_rows - len(rows)
    assert rejected["row"].to_pylist() == rows
    assert set(rejected["reason"].to_pylist()) == {"features not finite"}
    identifiers = table["object_id"].to_pylist()
    assert rejected["object_id"].to_pylist() == [identifiers[row] for row in rows]
    kept = [text for row, text in enumerate(identifiers) if row not in rows]
    assert records["object_id"].to_pylist() == kept
    assert align(table, records)["object_id"].to_pylist() == kept


def test_rows_without_finite_probabilities_are_quarantined(partition, survey):
    table = without_reference(partition, survey, [1])
    committee = even_committee(survey, make_features("relative_flux", survey), broken=(0, 4))
    records, rejected = classify(table, survey, committee)
    reasons = dict(zip(rejected["row"].to_pylist(), rejected["reason"].to_pylist(), strict=True))
    not_finite = "probabilities not finite"
    assert reasons == {1: "features not finite", 0: not_finite, 5: not_finite}
    assert records.num_rows + rejected.num_rows == table.num_rows
    assert np.isfinite(records["probability_star"].to_numpy()).all()


def test_a_partition_of_which_nothing_is_left(partition, survey):
    table = without_reference(partition.slice(0, 5), survey, [0, 1, 2, 3, 4])
    records, rejected = classify(
        table, survey, even_committee(survey, make_features("relative_flux", survey))
    )
    assert (records.num_rows, rejected.num_rows) == (0, 5)


def test_records_of_other_objects_are_not_aligned(partition):
    records = partition.select(["object_id"])
    assert align(partition, records)["object_id"].equals(partition["object_id"])
    strange = pa.table({"object_id": [*records["object_id"].to_pylist()[:-1], "other-1"]})
    with pytest.raises(ValueError, match="different objects"):
        align(partition, strange)
    with pytest.raises(ValueError, match="different objects"):
        align(partition, records.take(list(range(partition.num_rows))[::-1]))


def test_tallies_of_parts_make_the_tally_of_the_whole(partition, finished, survey):
    products = replace(workspace_of(finished).job.products, corrected=False).products(survey)
    records, _ = classify(partition, survey, even_committee(survey, make_features("relative_flux", survey)))
    rows = join(records, partition, True, products[0].setting)
    whole, merged = Tallies.create(products).add(rows), Tallies.create(products)
    for start in range(0, partition.num_rows, 50):
        part = join(records.slice(start, 50), partition.slice(start, 50), True, products[0].setting)
        tallies = Tallies.create(products).add(part)
        merged = merged.merge(Tallies.from_dict(tallies.to_dict(), products))
    confusion = [tallies.tallies["confusion"].total() for tallies in (merged, whole)]
    assert confusion[0].tolist() == confusion[1].tolist()
    assert confusion[0].sum() == partition.num_rows
    one, other = (tallies.tallies["counts"].extract() for tallies in (merged, whole))
    assert one.objects == other.objects
    assert one.summed.value == pytest.approx(other.summed.value)
