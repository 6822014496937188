"""Paths in job files: relative to the working directory where they are written, absolute where they are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.products.registry import product_tables

NAMED_SAMPLES = ("tests", "variants")
"""Keys of the table of samples that name any number of samples."""

PATHS = {
    "catalogue": ("input", "filter_table"),
    "samples": ("training", "validation", "labelled", "filter_table"),
    "mock": ("spectra", "filters", "templates"),
    "prior": ("table",),
    "foreign": ("table",),
    **{table.name: table.paths for table in product_tables() if table.paths},
}
"""Keys of a job file that hold paths, relative to the working directory."""

COMMITTEES = {"committee": ("artefact", "begin"), "redshifts": ("artefact",)}
"""Keys that hold the path of a committee, or the name of one that comes with the package."""


OF_MOCK = "mock"
"""In place of the path of a sample: the set of that name of the job's mock."""

SAMPLES = {"prior": ("validation",)}
"""Keys that hold the path of a sample, or `OF_MOCK`."""


def resolve_paths(tables: dict[str, Any]) -> dict[str, Any]:
    """Make the paths of a job absolute: workers have working directories of their own."""
    _refuse_empty(tables)
    resolved = dict(tables)
    kinds = ((PATHS, _absolute), (COMMITTEES, _absolute_committee), (SAMPLES, _absolute_sample))
    for keys_of_tables, absolute in kinds:
        for table, keys in keys_of_tables.items():
            if table in resolved:
                resolved[table] = _with_absolute(resolved[table], keys, absolute)
    samples = resolved.get("samples")
    if isinstance(samples, dict):
        named = {key: table for key in NAMED_SAMPLES if isinstance(table := samples.get(key), dict)}
        resolved["samples"] = resolved["samples"] | {
            key: {name: _absolute(path) for name, path in table.items()} for key, table in named.items()
        }
    survey = tables.get("survey")
    if isinstance(survey, str) and survey.endswith(".toml"):
        resolved["survey"] = _absolute(survey)
    return resolved


def absolute_paths(sections: list[Any], keys: tuple[str, ...]) -> list[Any]:
    """Return an array of tables in which these keys are absolute paths."""
    return _with_absolute(sections, keys, _absolute)


def _refuse_empty(tables: dict[str, Any]) -> None:
    """Refuse paths that are empty: they would mean the working directory, and all that lies in it.

    Raises
    ------
    InputError
    """
    for table, keys in (*PATHS.items(), *COMMITTEES.items(), *SAMPLES.items()):
        sections = tables.get(table)
        for section in sections if isinstance(sections, list) else [sections]:
            if not isinstance(section, dict):
                continue
            for key in keys:
                value = section.get(key)
                if isinstance(value, str) and not value.strip():
                    raise InputError(
                        f"[{table}] {key} = '{value}': a path is missing; leave the key out, or write '.' for the "
                        "working directory"
                    )


def _with_absolute(section: Any, keys: tuple[str, ...], absolute: Callable[[Any], Any]) -> Any:
    if isinstance(section, list):
        return [_with_absolute(one, keys, absolute) for one in section]
    if not isinstance(section, dict):
        return section
    return section | {key: absolute(section[key]) for key in keys if key in section}


def _absolute(value: Any) -> Any:
    return str(Path(value).absolute()) if isinstance(value, str) and value else value


def _absolute_sample(value: Any) -> Any:
    return value if value == OF_MOCK else _absolute(value)


def _absolute_committee(value: Any) -> Any:
    """Leave a single word as it is, unless there is a folder of that name: it names a committee of the package."""
    is_name = isinstance(value, str) and Path(value).name == value and not Path(value).is_dir()
    return value if is_name else _absolute(value)
