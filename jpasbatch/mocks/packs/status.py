"""What a folder of public template data holds, by reading it all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jpasbatch.errors import InputError
from jpasbatch.mocks.packs import checks, galaxies, instrument, quasars, stars, templates
from jpasbatch.mocks.packs.layout import SOURCES, find, lacking, published_at
from jpasbatch.mocks.packs.reading import refused
from jpasbatch.mocks.packs.source import Source
from jpasbatch.photometry.survey import load_survey

CLASS_NEEDS = {
    "star": ("filter-curves", "star-basis"),
    "galaxy": ("filter-curves", "kcorrect"),
    "qso": ("filter-curves", "quasar-pca", "unabsorbed-basis"),
}
"""The sources that a mock class cannot be made without."""

READERS: dict[str, Callable[[Path], object]] = {
    "quasar-pca": quasars.read_quasar_pca,
    "unabsorbed-basis": quasars.read_unabsorbed_basis,
    "bal-troughs": quasars.read_bal_troughs,
    "line-trends": quasars.read_line_trends,
    "kcorrect": galaxies.read_kcorrect,
    "desi-lrg": galaxies.read_lrg,
    "desi-elg": galaxies.read_elg,
    "forbidden-lines": galaxies.read_forbidden_mixture,
    "star-basis": stars.read_star_basis,
    "white-dwarfs": stars.read_white_dwarfs,
    "filter-curves": lambda pack: instrument.read_filter_curves(pack, load_survey("jpas60")),
    "splus-curves": lambda pack: instrument.read_filter_curves(pack, load_survey("splus12")),
    "tile-images": lambda pack: instrument.read_tile_images(pack, load_survey("jpas60")),
    "pickles": stars.read_pickles,
    "sdss-stars": stars.read_sdss_star_templates,
    "galaxy-atlas": galaxies.read_galaxy_atlas,
    "sdss-photometry": checks.read_sdss_photometry,
    "active-galaxies": templates.read_active_galaxies,
    "galaxy-sequence": templates.read_galaxy_sequence,
    "galaxies-with-lines": templates.read_galaxies_with_lines,
    "blue-galaxies": templates.read_blue_galaxies,
    "hot-white-dwarfs": templates.read_hot_white_dwarfs,
    "brown-dwarfs": templates.read_brown_dwarfs,
}


@dataclass(frozen=True)
class SourceStatus:
    """One source of a pack.

    Parameters
    ----------
    source : Source
        What it is.
    state : str
        "present", "incomplete" (some of its files), "missing" (none), or "damaged" (cannot be read).
    message : str
        What is wrong, and where to take it from; empty if present.
    """

    source: Source
    state: str
    message: str


@dataclass(frozen=True)
class PackStatus:
    """All sources of a pack, in the order of `SOURCES`.

    Parameters
    ----------
    folder : Path
        The pack.
    sources : tuple of SourceStatus
        One each.
    """

    folder: Path
    sources: tuple[SourceStatus, ...]

    @property
    def present(self) -> frozenset[str]:
        """Keys of the sources that can be used."""
        return frozenset(entry.source.key for entry in self.sources if entry.state == "present")

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of which mocks can be made, of "star", "galaxy" and "qso"."""
        return tuple(name for name, keys in CLASS_NEEDS.items() if set(keys) <= self.present)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Keys of what would enrich the mocks and cannot be used; not needs of a class, checks, other surveys."""
        usable = self.present.union(*CLASS_NEEDS.values())
        return tuple(
            entry.source.key
            for entry in self.sources
            if entry.source.role not in ("check", "other survey") and entry.source.key not in usable
        )

    @property
    def damaged(self) -> tuple[str, ...]:
        """Keys of the sources that are there and cannot be read."""
        return tuple(entry.source.key for entry in self.sources if entry.state == "damaged")


def check_pack(folder: str | Path) -> PackStatus:
    """Read every file of a pack and say what it holds; a damaged file is reported, not raised.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    pack = Path(folder)
    if not pack.is_dir():
        raise InputError(
            f"{pack}: is not a folder; name the one that holds the template data, laid out as in "
            "docs/template_pack.md"
        )
    return PackStatus(pack, tuple(_check(pack, source) for source in SOURCES))


def _check(pack: Path, source: Source) -> SourceStatus:
    missing = lacking(pack, source)
    if missing:
        some = bool(find(pack, source))
        found = f"lacks {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
        return SourceStatus(source, "incomplete" if some else "missing", f"{found}; {published_at(source)}")
    try:
        # one damaged file must not keep the report of the others from being written
        with refused(find(pack, source)[0]):
            READERS[source.key](pack)
    except InputError as error:
        return SourceStatus(source, "damaged", str(error))
    return SourceStatus(source, "present", "")
