import dataclasses
import time

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.mocks.observation.appearance import sky_positions
from jpasbatch.mocks.options.builtin import MockSky
from jpasbatch.mocks.skies.builtin import MockTable, mock_sample, mock_tile
from jpasbatch.photometry.photometry import ab_magnitude


def _assert_table(table, survey):
    rows = len(table["ra"])
    assert set(table) == set(MockTable.__annotations__)
    expected = {"flux": np.float32, "flux_err": np.float32, "flags": np.int32, "mask_flags": np.int32}
    for name, kind in expected.items():
        assert table[name].shape == (rows, len(survey.bands))
        assert table[name].dtype == kind
    assert np.array_equal(table["number"], np.arange(1, rows + 1))
    assert ((table["ra"] >= 0) & (table["ra"] < 360)).all()
    assert set(table["true_class"]) == {"star", "galaxy", "qso"}
    assert ((table["class_star"] >= 0) & (table["class_star"] <= 1)).all()
    assert (table["true_redshift"][table["true_class"] == "star"] == 0).all()


def test_a_tile_is_whole_and_depends_on_seed_and_tile_only(survey, small_sky):
    table = mock_tile(small_sky, survey, 2)
    _assert_table(table, survey)
    again = mock_tile(small_sky, survey, 2)
    other = mock_tile(small_sky, survey, 1)
    for name in table:
        assert np.array_equal(table[name], again[name], equal_nan=table[name].dtype.kind == "f")
    assert table["tile_id"][0] != other["tile_id"][0]
    assert not np.array_equal(table["flux"][:50], other["flux"][:50])


def test_the_mix_is_that_of_the_test_field(survey):
    sky = MockSky(area_deg2=0.2, tiles=1)
    table = mock_tile(sky, survey, 0)
    counts = {name: (table["true_class"] == name).sum() / 0.2 for name in ("galaxy", "star", "qso")}
    assert counts["galaxy"] == pytest.approx(6410, rel=0.1)
    assert counts["star"] == pytest.approx(2190, rel=0.2)
    assert counts["qso"] == pytest.approx(510, rel=0.35)
    flagged = (table["flags"].any(axis=1) | table["mask_flags"].any(axis=1)).mean()
    assert flagged == pytest.approx(0.01, abs=0.008)
    magnitude = ab_magnitude(table["flux"][:, survey.reference_index])
    bright = magnitude < 21
    point = np.median(table["class_star"][bright & (table["true_class"] == "star")])
    extended = np.median(table["class_star"][bright & (table["true_class"] == "galaxy")])
    assert point > 0.9
    assert extended < 0.1


def test_samples_are_balanced_and_disjoint(survey, small_sky):
    training, validation = (mock_sample(small_sky, survey, split) for split in ("training", "validation"))
    for table, number in ((training, 40), (validation, 30)):
        _assert_table(table, survey)
        high = (table["true_class"] == "qso") & (table["true_redshift"] >= 2.1)
        assert (
            high.sum()
            == (table["true_class"] == "star").sum()
            == (table["true_class"] == "galaxy").sum()
            == number
        )
        assert len(table["ra"]) == 4 * number
    assert not np.isin(
        validation["true_redshift"][validation["true_redshift"] > 0], training["true_redshift"]
    ).any()
    assert not np.isin(validation["flux"][:, 58], training["flux"][:, 58]).any()


def test_incomplete_rows_lack_the_named_bands_only(survey, small_sky):
    options = dataclasses.replace(small_sky, incomplete_share=0.5, incomplete_bands=("uJAVA", "uJPAS"))
    table = mock_sample(options, survey, "training")
    missing = np.isnan(table["flux"])
    columns = [survey.index("uJAVA"), survey.index("uJPAS")]
    assert missing[:, columns].all(axis=1).mean() == pytest.approx(0.5, abs=0.15)
    assert not np.delete(missing, columns, axis=1).any()
    with pytest.raises(InputError, match="J9999"):
        mock_sample(dataclasses.replace(options, incomplete_bands=("J9999",)), survey, "training")


def test_magnitudes_are_those_drawn(survey, small_sky):
    table = mock_sample(small_sky, survey, "training")
    magnitude = ab_magnitude(table["flux"][:, survey.reference_index])
    assert np.nanmin(magnitude) > 16.8
    assert np.nanmedian(magnitude) == pytest.approx(20.3, abs=0.6)


def test_tiles_cover_the_field_once(rng):
    sky = MockSky(tiles=4, area_deg2=1.0)
    centres = []
    for tile in range(4):
        ra, dec = sky_positions(sky, tile, 2000, rng)
        area = np.ptp(ra) * np.cos(np.radians(sky.dec)) * np.ptp(dec)
        assert area == pytest.approx(0.25, rel=0.05)
        centres.append((ra.mean(), dec.mean()))
    assert np.mean(centres, axis=0) == pytest.approx([sky.ra, sky.dec], abs=0.02)
    assert len({(round(a, 1), round(b, 1)) for a, b in centres}) == 4


def test_positions_wrap_at_zero(rng):
    ra, _ = sky_positions(MockSky(ra=0.0, dec=0.0), 0, 500, rng)
    assert ((ra >= 0) & (ra < 360)).all()


def test_an_unknown_tile_or_split_is_refused(survey, small_sky):
    with pytest.raises(ValueError, match="tile_index = 4"):
        mock_tile(small_sky, survey, 4)
    with pytest.raises(ValueError, match="split = 'test'"):
        mock_sample(small_sky, survey, "test")


@pytest.mark.slow
def test_twenty_thousand_objects_take_less_than_fifteen_seconds(survey):
    start = time.process_time()
    mock_sample(MockSky(training_per_class=5000), survey, "training")
    assert time.process_time() - start < 15
