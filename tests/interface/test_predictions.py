"""What a run published is opened with lsdb."""

import sys

import pytest

import jpasbatch as jb
from jpasbatch.storage.catalogue.collection import current_extension, open_catalogue


# lsdb sets an option, when it is imported, that pandas 3.1 deprecates
@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_predictions_of_a_run(snapshots):
    run = snapshots / "finished"
    published = open_catalogue(current_extension(run / "sky", "predictions"))
    for place in (run, str(run), run / "sky"):
        found = jb.open_predictions(place)
        assert len(found) == published.rows
        assert {"ra", "probability_star", "subset"} <= set(found.columns)
    assert "posterior_star" in jb.open_predictions(run, "posteriors").columns


@pytest.mark.filterwarnings("ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Right catalog does not have a margin cache:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:The inplace keyword in NestedFrame:DeprecationWarning")
def test_fluxes_stand_beside(snapshots):
    found = jb.open_predictions(snapshots / "finished", photometry=True)
    assert {"flux", "probability_star"} <= set(found.columns)


def test_what_is_not_published(snapshots, tmp_path):
    with pytest.raises(jb.InputError, match=r"no published collection.*sky"):
        jb.open_predictions(tmp_path)
    with pytest.raises(jb.InputError, match="has no 'predictions'"):
        jb.open_predictions(snapshots / "trained")


def test_without_lsdb(snapshots, monkeypatch):
    monkeypatch.setitem(sys.modules, "lsdb.loaders.hats.read_hats", None)
    monkeypatch.setitem(sys.modules, "lsdb", None)
    with pytest.raises(jb.InputError, match=r"pip install 'jpasbatch\[ingest\]'"):
        jb.open_predictions(snapshots / "finished")
