import numpy as np
import pyarrow as pa
import pytest

from jpasbatch.errors import InputError
from jpasbatch.learning.novelty.novelty import SUBSETS
from jpasbatch.products.protocol import Partition
from jpasbatch.products.targets.candidates import CANDIDATE, UNLIKE, find_candidates
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.targets import TargetSummary, TargetTally, select_targets, target_schema


def rows_of(record: pa.Table, observed: np.ndarray | None = None) -> Partition:
    return Partition(record, record.select(["object_id"]), np.full(record.num_rows, -1, np.int16), observed)


def summary_of(record: pa.Table, *rules: TargetProgramme) -> TargetSummary:
    return TargetTally.create(*rules).add(find_candidates(rows_of(record), rules, 3)).extract()


def vetoed(record: pa.Table, rule: TargetProgramme) -> int:
    return int(summary_of(record, rule).left_out[0, UNLIKE])


def test_selection_and_priorities(sky):
    record = sky[2]
    programme = TargetProgramme(min_probability=0.4)
    targets = select_targets(record, programme, seed=3)
    assert targets.schema.equals(target_schema())
    probability = record["probability_qso_high"].to_numpy()
    magnitude = record["magnitude_r"].to_numpy()
    expected = (probability >= 0.4) & (magnitude < 23.6) & (magnitude > 17)
    assert targets["object_id"].to_pylist() == record.filter(pa.array(expected))["object_id"].to_pylist()
    priority = targets["priority"].to_numpy()
    assert priority.min() >= 1
    assert priority.max() <= 10
    order = np.argsort(targets["probability"].to_numpy())
    assert (np.diff(priority[order]) >= 0).all()


def test_subpriority_depends_on_object_and_seed_only(sky):
    record = sky[2]
    programme = TargetProgramme(min_probability=0.4)
    whole = select_targets(record, programme, seed=3)
    half = select_targets(record.slice(1000), programme, seed=3)
    assert half["subpriority"].to_pylist() == whole["subpriority"].to_pylist()[-half.num_rows :]
    other = select_targets(record, programme, seed=4)
    assert other.drop_columns("subpriority") == whole.drop_columns("subpriority")
    assert other["subpriority"] != whole["subpriority"]
    values = whole["subpriority"].to_numpy()
    assert ((values >= 0) & (values < 1)).all()


def test_certainty_has_priority_ten_and_the_limit_one(sky):
    record = sky[2].slice(0, 2)
    for name, values in {"probability_qso_high": [1.0, 0.5], "magnitude_r": [20.0, 20.0]}.items():
        column = pa.array(values, type=pa.float32())
        record = record.set_column(record.column_names.index(name), name, column)
    assert select_targets(record, TargetProgramme(), 0)["priority"].to_pylist() == [10, 1]


def test_limits_by_magnitude_bin(sky):
    record = sky[2]
    programme = TargetProgramme(min_probability_by_bin=(0.2, 0.5, 0.9), brighter_than=None, fainter_than=None)
    targets = select_targets(record, programme, 0)
    limit = np.array([0.2, 0.5, 0.9, np.inf])[record["magnitude_bin"].to_numpy()]
    assert targets.num_rows == (record["probability_qso_high"].to_numpy() >= limit).sum() > 0
    with pytest.raises(InputError, match="magnitude bins"):
        select_targets(record, TargetProgramme(min_probability_by_bin=(0.2,)), 0)


def test_point_sources_only(sky):
    record = sky[2]
    kept = select_targets(record, TargetProgramme(min_probability=0.1, minimum_class_star=0.5), 0)
    everything = select_targets(record, TargetProgramme(min_probability=0.1), 0)
    assert 0 < kept.num_rows < everything.num_rows


def with_subset(record: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Return records of which every fifth is unsafe and every fifth unknown, and their subsets."""
    names = np.array(["unsafe", "safe", "extrapolation", "unknown", "safe"])
    subset = names[np.arange(record.num_rows) % len(names)]
    return record.set_column(record.column_names.index("subset"), "subset", pa.array(subset)), subset


def test_what_is_unlike_all_that_was_learnt_gets_no_fibre(sky):
    record, subset = with_subset(sky[2])
    every = TargetProgramme(min_probability=0.4, subsets=SUBSETS)
    names = np.array(record["object_id"].to_pylist())
    chosen = np.isin(names, select_targets(record, every, 3)["object_id"].to_pylist())
    usual = TargetProgramme(min_probability=0.4)
    kept = select_targets(record, usual, 3)
    assert kept["object_id"].to_pylist() == names[chosen & (subset != "unsafe")].tolist()
    assert vetoed(record, usual) == (chosen & (subset == "unsafe")).sum() > 0
    assert vetoed(record, every) == 0
    strict = TargetProgramme(min_probability=0.4, subsets=("safe",))
    assert select_targets(record, strict, 3).num_rows + vetoed(record, strict) == chosen.sum()


def test_vetoes_are_counted(sky):
    record, _ = with_subset(sky[2])
    programme = TargetProgramme(min_probability=0.3)
    parts = [record.slice(0, 700), record.slice(700)]
    tallies = [
        TargetTally.create(programme).add(find_candidates(rows_of(part), (programme,), 3)) for part in parts
    ]
    merged = tallies[1].merge(tallies[0])
    assert merged.extract().vetoed == vetoed(record, programme) > 0
    assert TargetTally.from_dict(merged.to_dict(), programme).extract().vetoed == merged.extract().vetoed


def test_tally_sums(sky):
    programme = TargetProgramme(min_probability=0.3)
    targets = select_targets(sky[2], programme, 3)
    summary = summary_of(sky[2], programme)
    assert summary.number == targets.num_rows == summary.pixel_targets.sum() == summary.priorities.sum()
    assert summary.left_out[0, CANDIDATE] == summary.number
    assert summary.expected == pytest.approx(targets["probability"].to_numpy().sum(dtype=float))


def test_unknown_class_is_refused(sky):
    with pytest.raises(InputError, match="probability_lens"):
        select_targets(sky[2], TargetProgramme(classes=("lens",)), 0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"programme": "QSO"}, "programme = 'QSO'"),
        ({"trimester": "2027C1"}, "trimester = '2027C1'"),
        ({"trimester": "2027A1\n"}, "trimester"),
        ({"programme": "WS2026B2-001"}, "differs"),
        ({"classes": ()}, "classes is empty"),
        ({"subsets": ()}, "subsets = "),
        ({"subsets": ("safe", "odd")}, "must name one or more of safe, extrapolation, unsafe, unknown"),
        ({"subsets": ("safe", "safe")}, "each once"),
        ({"min_probability": 1.0}, "min_probability"),
        ({"brighter_than": 17.0, "fainter_than": 18.0}, "no magnitudes"),
        ({"description": "x" * 41}, "40 ASCII"),
        ({"description": "quásares"}, "40 ASCII"),
    ],
)
def test_programmes_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        TargetProgramme(**wrong)
