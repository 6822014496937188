"""Tables of another survey, and filter tables that say something else than the survey."""

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.band_order import band_order
from jpasbatch.photometry.raw_table import RawTable
from jpasbatch.photometry.survey import load_survey

J57, J60 = load_survey("jpas57"), load_survey("jpas60")


def table_of(band_names: tuple[str, ...] | None) -> RawTable:
    return RawTable({"number": np.arange(2)}, {}, band_names, "tile.fits")


def test_the_bands_of_a_survey_are_in_place():
    assert band_order(table_of(J57.band_names), J57) is None


def test_other_surveys_take_any_order():
    order = band_order(table_of(J60.band_names[::-1]), J60)
    assert order is not None
    np.testing.assert_array_equal(order, np.arange(60)[::-1])


def test_a_table_of_60_bands_is_none_of_57():
    with pytest.raises(InputError, match=r"lists 60 bands.*no uJPAS, gSDSS, rSDSS; .*survey = 'jpas60'"):
        band_order(table_of(J60.band_names), J57)


def test_a_table_of_57_bands_is_none_of_60():
    with pytest.raises(InputError, match=r"3 of the 60 bands.*uJPAS, gSDSS, rSDSS; .*survey = 'jpas57'"):
        band_order(table_of(J57.band_names), J60)


def test_a_table_without_its_detection_band_is_refused():
    with pytest.raises(InputError, match=r"1 of the 57 bands of survey 'jpas57' are missing.*iSDSS"):
        band_order(table_of(J57.band_names[:-1]), J57)


def test_a_filter_table_in_another_order_is_refused():
    sorted_by_name = tuple(sorted(J57.band_names))
    with pytest.raises(InputError, match="it lists J0378 at place 1, where survey 'jpas57' has uJAVA"):
        band_order(table_of(sorted_by_name), J57)


def test_no_filter_table_is_no_order():
    with pytest.raises(InputError, match="the order of bands in its vectors is unknown"):
        band_order(table_of(None), J57)
