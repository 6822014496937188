import csv
import tomllib
from importlib import resources

import numpy as np
import pytest

from jpasbatch.errors import InputError
from jpasbatch.photometry.survey import load_survey, survey_names


def _text(name: str) -> str:
    return (resources.files("jpasbatch.photometry") / "surveys" / f"{name}.toml").read_text()


@pytest.mark.parametrize("name", survey_names())
def test_every_survey_of_the_package_is_complete(name):
    survey = load_survey(name)
    assert survey.name == name
    assert len(set(survey.band_names)) == len(survey.bands)
    assert all(band.source in survey.sources for band in survey.bands)
    assert np.all(survey.wavelengths > 1000)
    assert survey.bands[survey.reference_index].name == survey.reference_band
    lows = [low for low, _ in survey.magnitude_bins]
    highs = [high for _, high in survey.magnitude_bins]
    assert lows[1:] == highs[:-1]


def test_jpas60_holds_the_published_numbers():
    survey = load_survey("jpas60")
    assert len(survey.bands) == 60
    assert survey.band_names[0] == "uJAVA"
    assert survey.band_names[-4:] == ("uJPAS", "gSDSS", "rSDSS", "iSDSS")
    assert survey.magnitude_bins == ((17.0, 20.0), (20.0, 22.5), (22.5, 23.6))
    assert survey.bands[survey.index("rSDSS")].depth == pytest.approx(23.8782)
    assert survey.bands[survey.index("J0840")].depth == min(band.depth for band in survey.bands)
    for band in survey.bands:
        assert np.mean(band.tile_depths) == pytest.approx(band.depth, abs=2e-4)


def test_jpas60_agrees_with_the_filter_table(data_folder):
    lines = (data_folder / "minijpas_tables" / "minijpas.Filter.csv").read_text().splitlines()[2:]
    published = [line.split(",")[1:4] for line in lines]
    survey = load_survey("jpas60")
    assert [name.strip('"') for name, _, _ in published] == list(survey.band_names)
    assert [float(wavelength) for _, wavelength, _ in published] == survey.wavelengths.tolist()
    assert [float(width) for _, _, width in published] == [band.width for band in survey.bands]


def test_jpas57_is_jpas60_without_what_j_pas_lacks():
    survey, mini = load_survey("jpas57"), load_survey("jpas60")
    assert survey.band_names == tuple(
        name for name in mini.band_names if name not in ("uJPAS", "gSDSS", "rSDSS")
    )
    assert survey.reference_band == survey.band_names[-1] == "iSDSS"
    for band in survey.bands:
        same = mini.bands[mini.index(band.name)]
        assert (band.wavelength, band.width, band.group) == (same.wavelength, same.width, same.group)
        assert band.tile_depths[:4] == same.tile_depths
        assert np.mean(band.tile_depths) == pytest.approx(band.depth, abs=1e-4)


def test_jpas57_has_the_depths_of_the_image_tables(data_folder):
    path = data_folder / "minijpas_tables" / "derived_depth3arc5s_by_filter.csv"
    published = {line.split(",")[1]: float(line.split(",")[-1]) for line in path.read_text().splitlines()[1:]}
    assert {band.name: band.tile_depths[-1] for band in load_survey("jpas57").bands} == {
        name: pytest.approx(depth, abs=1e-4)
        for name, depth in published.items()
        if name not in ("uJPAS", "gSDSS", "rSDSS")
    }


@pytest.mark.parametrize("name", ["jplus12", "splus12"])
def test_the_12_bands_have_the_wavelengths_of_their_curves(data_folder, name):
    path = data_folder / "splus_filters" / "central_wavelengths.csv"
    with path.open(newline="") as lines:
        published = {row["filter"]: row for row in csv.DictReader(lines)}
    survey = load_survey(name)
    assert len(survey.bands) == 12
    for band in survey.bands:
        row = published[band.curve or band.name]
        assert band.wavelength == pytest.approx(float(row["pivot_wave"]), abs=0.06)
        assert band.width == pytest.approx(float(row["trapz_width"]), abs=0.06)


def test_nepw44_holds_the_published_numbers():
    survey = load_survey("nepw44")
    assert len(survey.bands) == 44
    assert np.all(np.diff(survey.wavelengths) >= 0)
    counts = {
        group: sum(band.group == group for band in survey.bands)
        for group in ("UV", "optical", "NIR", "MIR", "FIR")
    }
    # Chen et al. 2021, sect. 4.3, but for the far infrared, where it counts 6 and describes 5
    assert counts == {"UV": 4, "optical": 6, "NIR": 18, "MIR": 11, "FIR": 5}
    depths = {band.name: band.depth for band in survey.bands}
    assert (depths["HSC_g"], depths["MegaPrime_u"], depths["W4"], depths["SPIRE500"]) == (
        28.6,
        25.27,
        16.1,
        13.8,
    )
    assert {band.instrument for band in survey.bands} >= {"Subaru/HSC", "AKARI/IRC", "GALEX", "Herschel/PACS"}


def test_nepw44_agrees_with_its_14_bands():
    wide = {band.column: band for band in load_survey("nepw44").bands if band.column}
    for band in load_survey("nepw14").bands:
        other = wide[band.column]
        assert (other.wavelength, other.width, other.depth) == (band.wavelength, band.width, band.depth)
        assert not other.optional
    assert len(wide) == 14


def test_an_unknown_name_lists_what_is_allowed():
    with pytest.raises(InputError, match="allowed are jpas57, jpas60, jplus12, nepw14, nepw44, splus12"):
        load_survey("jpas61")


def test_an_unknown_band_lists_the_bands():
    with pytest.raises(InputError, match=r"'rsdss'.*rSDSS"):
        load_survey("jpas60").index("rsdss")


def test_a_second_survey_is_a_file_and_no_code(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(_text("nepw14").replace('name = "nepw14"', 'name = "mine"'))
    survey = load_survey(path)
    assert survey.name == "mine"
    assert survey.fingerprint != load_survey("nepw14").fingerprint


def test_the_fingerprint_follows_bands_and_order_but_not_depths(tmp_path):
    text = _text("nepw14")
    path = tmp_path / "depth.toml"
    path.write_text(text.replace("depth = 28.6", "depth = 28.5"))
    assert load_survey(path).fingerprint == load_survey("nepw14").fingerprint
    blocks = text.split("\n[[bands]]")
    swapped = tmp_path / "swapped.toml"
    swapped.write_text("\n[[bands]]".join([blocks[0], blocks[2], blocks[1], *blocks[3:]]))
    assert load_survey(swapped).fingerprint != load_survey("nepw14").fingerprint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "AKARI', 'titel = "x"\ntitle = "AKARI', "unknown key 'titel'"),
        ('layout = "columns"', 'layout = "rows"', "layout: found 'rows'; allowed: 'arrays', 'columns'"),
        ('ra = "RA"', "ra = 5", "ra = 5 must be text in quotes"),
        ('ra = "RA"\n', "", "the key 'ra' is missing"),
        ('reference_band = "i"', 'reference_band = "I"', "reference_band = 'I': is not a band"),
        (
            "wavelength = 4770",
            "wavelength = -1",
            "(g): wavelength: found -1; allowed is a finite number above 0",
        ),
        ("wavelength = 4770", "wavelength = true", "(g): wavelength = True must be a number"),
        ('name = "i"', 'name = "i"\noptional = true', "optional = true of band 'i'"),
        ("depth = 28.6", "depth = 99.0", "(g): depth: found 99.0; allowed is above 0 to below 40"),
        ('name = "r"', 'name = "g"', "listed twice: g"),
        ('source = "hsc"', 'source = "hearsay"', "'hearsay' of band 'g': no such key"),
        ('value = "{column}m"', 'value = "m"', "must hold '{column}'"),
        ('kind = "magnitude"', 'kind = "luptitude"', "kind: found 'luptitude'; allowed: 'flux', 'magnitude'"),
        ("[17.0, 20.0]", "[20.0, 17.0]", "is empty"),
        ("[catalogue]", "[catalogue", "not valid TOML"),
        (
            "[[catalogue.forms]]",
            '[catalogue.apertures]\nwide = { value = "W" }\n[[catalogue.forms]]',
            "no form holds '{aperture}'",
        ),
        (
            'value = "{column}m"',
            'value = "{column}{aperture}"',
            "must be one of [catalogue.apertures] (none)",
        ),
        (
            'kind = "magnitude"\nvalue = "{column}m"\nerror = "{column}me"',
            'kind = "flux"\nvalue = "{column}m"',
            "only magnitudes may come without errors",
        ),
    ],
)
def test_a_wrong_survey_file_is_an_error_that_names_the_key(tmp_path, old, new, message):
    text = _text("nepw14")
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_survey(path)
    assert message in str(caught.value)
    assert "wrong.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('not_above = ["chi2_gal", "chi2_star"]', 'not_above = ["chi2_gal"]', "must be two columns"),
        ('not_above = ["chi2_gal", "chi2_star"]', "", "requirement 'galaxy': give any_known or not_above"),
        ('reason = "star"', 'reason = ""', "each needs a name and a reason"),
        (
            'reason = "star"',
            'because = "star"',
            r"catalogue: requirements\[\d\] \(\w+\): unknown key 'because'",
        ),
    ],
)
def test_a_wrong_requirement_is_an_error_that_names_it(tmp_path, old, new, message):
    path = tmp_path / "wrong.toml"
    path.write_text(_text("nepw44").replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        load_survey(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.toml"):
        load_survey(tmp_path / "nowhere.toml")


def test_no_survey_file_holds_more_than_toml():
    for name in survey_names():
        assert tomllib.loads(_text(name))["name"] == name


def test_an_edited_survey_file_is_read_again(tmp_path):
    path = tmp_path / "mine.toml"
    text = (resources.files("jpasbatch.photometry") / "surveys" / "nepw14.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    before = load_survey(path)
    assert load_survey(path) is before
    path.write_text(text.replace('name = "nepw14"', 'name = "other"', 1), encoding="utf-8")
    assert load_survey(path).name == "other"
