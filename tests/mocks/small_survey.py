"""A survey of a few broad bands from the far ultraviolet to the submillimetre, and a small mock of it."""

from dataclasses import replace

from jpasbatch.mocks.options.broadband import BroadbandSky, Coverage, FieldPlan, LabelledSets, Selection
from jpasbatch.photometry.catalogue_format import CatalogueFormat, PhotometryForm
from jpasbatch.photometry.survey import Band, Survey

BANDS = (
    # name, micrometres, width, depth, instrument
    ("fuv", 0.153, 0.044, 22.5, "ultraviolet"),
    ("g", 0.48, 0.14, 26.0, "optical"),
    ("i", 0.77, 0.15, 27.0, "optical"),
    ("N2", 2.4, 0.9, 22.0, "near"),
    ("N3", 3.2, 1.1, 22.0, "near"),
    ("N4", 4.1, 1.7, 22.0, "near"),
    ("S7", 7.0, 2.5, 20.5, "middle"),
    ("S11", 11.0, 4.6, 20.0, "middle"),
    ("L18", 18.0, 11.0, 19.5, "middle"),
    ("F100", 100.0, 40.0, 16.0, "far"),
    ("F250", 250.0, 76.0, 15.0, "far"),
)


def small_survey(kind: str = "magnitude", **changes) -> Survey:
    """Return the survey, with columns of magnitudes or of fluxes."""
    unit = "mag" if kind == "magnitude" else "uJy"
    form = PhotometryForm(kind=kind, value="{column}_value", error="{column}_error", unit=unit, **changes)
    return Survey(
        name="small",
        title="A few broad bands",
        bands=tuple(
            Band(name, 1e4 * wavelength, 1e4 * width, depth, instrument=instrument)
            for name, wavelength, width, depth, instrument in BANDS
        ),
        reference_band="i",
        magnitude_bins=((14.0, 27.0),),
        catalogue=CatalogueFormat(
            layout="columns",
            id_columns=("id",),
            ra="ra",
            dec="dec",
            forms=(form,),
            true_class="class",
            true_redshift="z",
        ),
    )


def small_mock(**changes) -> BroadbandSky:
    """Return a small mock whose fields may be changed."""
    options = BroadbandSky(
        seed=5,
        parents=400,
        area_deg2=4.0,
        table_rows=400,
        labelled=LabelledSets(
            training=600,
            validation=100,
            test=100,
            agn_share=0.4,
            galaxies=Selection(faintest=22.0),
            nuclei=Selection(band="N4", faintest=21.0),
        ),
        field=FieldPlan(sources=500),
        coverage=(
            Coverage(bands=("far",), area_deg2=1.0, lost=0.1),
            Coverage(bands=("S7",), signal_to_noise=8.0, lost_single=0.2),
            Coverage(bands=("middle",), lost=0.25),
            Coverage(bands=("fuv",), hole_deg2=2.0),
        ),
    )
    return replace(options, **changes)
