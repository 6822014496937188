"""Maps of the sky: one area for all densities, and grey where nothing was observed."""

import dataclasses

import healpy
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jpasbatch.footprint.coverage import ORDER, Coverage
from jpasbatch.learning.samples import ClassDefinition
from jpasbatch.products.counts.areas import pixel_areas
from jpasbatch.products.counts.fields import field_rows
from jpasbatch.products.counts.tally import CountOptions, CountSummary, CountTally
from jpasbatch.products.protocol import Findings, Partition, Setting
from jpasbatch.products.sky.figure import density_maps, sky_map, sky_numbers
from jpasbatch.products.sky.product import Sky
from jpasbatch.products.sky.tally import SkyTally
from jpasbatch.products.targets.candidates import find_candidates
from jpasbatch.products.targets.figure import chosen_lengths, yield_numbers
from jpasbatch.products.targets.options import TargetProgramme
from jpasbatch.products.targets.targets import TargetLists, TargetTally
from jpasbatch.products.targets.told import rule_lines

CLASSES = ("star", "galaxy", "qso_low", "qso_high")
COUNTED = CLASSES[2:]


def counted(record, coverage=None, **options) -> CountSummary:
    return CountTally.create(CountOptions(**options), 3).add(record).extract(coverage)


@pytest.fixture(scope="module")
def record(sky) -> pa.Table:
    return sky[2]


@pytest.mark.parametrize("given_deg2", [None, 1.7])
@pytest.mark.parametrize("nside", [16, 64, 256, 1024])
def test_areas_of_any_grid_sum_to_that_of_the_counts(record, nside, given_deg2):
    counts = counted(record, area_deg2=given_deg2, area_nside=1024)
    counts = dataclasses.replace(counts, area_deg2=given_deg2 or counts.measured_area_deg2)
    pixels, area = pixel_areas(counts, None, nside)
    assert (np.diff(pixels) > 0).all()
    assert area.sum() == pytest.approx(counts.area_deg2)
    held = np.unique(record["_healpix_29"].to_numpy() >> 2 * (ORDER - nside.bit_length() + 1))
    assert pixels.tolist() == held.tolist()


def test_without_an_area_there_is_no_density(record):
    counts = dataclasses.replace(counted(record), area_deg2=float("nan"))
    assert pixel_areas(counts, None, 64) is None
    (everything, _) = density_maps(SkyTally.create(CLASSES).add(record).extract(), COUNTED, counts, None)
    assert not everything.measured
    assert everything.values.tolist() == everything.objects.tolist()
    panel = sky_map((everything,), None).panels[0]
    assert panel.figure.axes[-1].get_xlabel() == "objects per pixel"
    with pytest.raises(ValueError, match="measured on pixels of nside 2048"):
        pixel_areas(counted(record, area_deg2=1.0), None, 4096)


def test_the_same_list_has_one_density(record, sky):
    """Whatever the kind of the area: of the list, of its rule, of its curve, and of the field that holds all of it."""
    rule = TargetProgramme(min_probability=0.3)
    rows = Partition(record, sky[0], np.full(record.num_rows, -1, dtype=np.int16))
    one = TargetTally.create(rule).add(find_candidates(rows, (rule,), 1)).extract()
    for options in ({}, {"area_deg2": 1.3}):
        counts = counted(record, area_nside=512, **options)
        assert counts.pixel_area_deg2.sum() == pytest.approx(counts.area_deg2)
        listed = dataclasses.replace(one, area_deg2=counts.area_deg2)
        (line,) = rule_lines(listed)
        fields = field_rows(counts, TargetLists((listed,)))
        of_fields = sum(row["targets"] for row in fields) / sum(row["area"] for row in fields)
        curve = yield_numbers(listed)["fibres (deg-2)"][-1]
        (length,) = chosen_lengths(listed).values()
        assert listed.density == pytest.approx(listed.number / counts.area_deg2)
        assert [line.per_deg2, of_fields, curve, length] == pytest.approx([listed.density] * 4)


def test_targets_outside_of_what_was_observed_are_in_no_density(record, sky):
    rule = TargetProgramme(min_probability=0.3, keep_masked=True)
    observed = np.arange(record.num_rows) % 3 > 0
    rows = Partition(record, sky[0], np.full(record.num_rows, -1, dtype=np.int16), observed)
    one = TargetTally.create(rule).add(find_candidates(rows, (rule,), 1)).extract()
    one = dataclasses.replace(one, area_deg2=2.0)
    assert 0 < one.observed < one.number
    (line,) = rule_lines(one)
    assert line.per_deg2 == one.density == one.observed / 2
    assert "fibres (number)" in yield_numbers(one)  # and no density: its candidates are not all observed
    assert chosen_lengths(one) == {"rule 1": one.number}


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_densities_on_a_mask_sum_to_the_observed_objects(seed):
    rng = np.random.default_rng(seed)
    pixels = np.unique(
        healpy.ang2pix(128, rng.uniform(30, 34, 300), rng.uniform(-1, 1, 300), nest=True, lonlat=True)
    )
    coverage = Coverage.of_pixels(pixels, np.ones(len(pixels)), 128)
    inside = rng.choice(pixels, 500) << 2 * (ORDER - 7)
    counts = SkyTally(CLASSES, 20_000, 512, *_counts(inside >> 2 * (ORDER - 9), rng)).extract()
    record = pa.table(
        {
            "_healpix_29": inside,
            "magnitude_g": np.full(500, 20.0, np.float32),
            "magnitude_bin": np.zeros(500, np.int8),
            "class_star": np.ones(500, np.float32),
            **{f"probability_{name}": np.full(500, 0.25, np.float32) for name in CLASSES},
        }
    )
    everything, chosen = density_maps(counts, COUNTED, counted(record, coverage), coverage)
    for one in (everything, chosen):
        assert one.measured
        assert one.area.sum() == pytest.approx(coverage.area_deg2)
        assert (one.values * one.area).sum() == pytest.approx(one.objects.sum())
    assert everything.objects.sum() == 500
    numbers = sky_numbers((everything, chosen))
    assert len(numbers["map"]) == len(everything.pixels) + len(chosen.pixels)


def _counts(pixels, rng):
    unique, place = np.unique(pixels, return_inverse=True)
    counts = np.zeros((len(unique), len(CLASSES)), dtype=np.int64)
    np.add.at(counts, (place, rng.integers(0, 4, len(pixels))), 1)
    return unique, counts


def test_what_was_not_observed_is_grey(record, survey, sky):
    """The western half is masked: it holds no density, and a mask is drawn over exactly that."""
    fine = np.unique(record["_healpix_29"].to_numpy() >> 2 * (ORDER - 9))
    ra, _ = healpy.pix2ang(512, fine, nest=True, lonlat=True)
    coverage = Coverage.of_pixels(fine[ra > 214.5], np.ones((ra > 214.5).sum()), 512)
    observed = coverage.contains(record["_healpix_29"].to_numpy())
    product = Sky(Setting(survey, {name: ClassDefinition((name,)) for name in CLASSES}, coverage=coverage))
    rows = Partition(record, sky[0], np.full(record.num_rows, -1, dtype=np.int16), observed)
    found = product.extract(product.add(product.create(), rows), None)
    assert found.counts.sum() == observed.sum() < record.num_rows
    counts = counted(rows.observed_part.predictions, coverage)
    figure = product.figures(found, Findings(product.setting, {"counts": counts}, ""))["sky"]
    mask, image = (
        np.ma.filled(np.ma.asarray(one.get_array(), dtype=float), np.nan)
        for one in figure.drawing.panels[0].figure.axes[0].images
    )
    assert (np.isfinite(mask) ^ np.isfinite(image)).all()
    assert figure.drawing.legend[0].label == "not observed, or masked"
    section = product.section(found, Findings(product.setting, {"counts": counts}, ""), {"sky": ""})
    assert "Grey is what was not observed" in section.body
