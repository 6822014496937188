"""Where the parts of a job's mock lie: sets that are collections, or folders of tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jpasbatch.errors import InputError
from jpasbatch.stages.run.workspace import Workspace

TEMPLATES = "templates"


def makes_sets(mock: Mapping[str, Any]) -> bool:
    """Return whether a record of the mock stage is that of a mock that makes sets."""
    return mock.get("kind") == TEMPLATES


def set_folder(workspace: Workspace, mock: Mapping[str, Any], name: str, key: str) -> Path:
    """Return the collection of a set of the job's mock.

    Parameters
    ----------
    workspace : Workspace
    mock : mapping
        Record of the mock stage.
    name : str
        Of the set, e.g. ``survey``.
    key : str
        Of the job file, which asks for the set; for the message.

    Raises
    ------
    InputError
        When the mock made no such set.
    """
    sets = mock["sets"]
    if name not in sets:
        raise InputError(
            f"{key} asks for the set '{name}' of the mock, which made: {', '.join(sorted(sets)) or 'none'}. Name "
            f"one of these, or add '{name}' to [mock] and run `jpasbatch mock JOB.toml` again"
        )
    return workspace.folder / sets[name]["path"]


def mock_part(workspace: Workspace, mock: Mapping[str, Any], name: str, key: str) -> Path:
    """Return where a part of the job's mock lies: a set's collection, or a folder of tables.

    Parameters and errors as for `set_folder`.
    """
    if makes_sets(mock):
        return set_folder(workspace, mock, name, key)
    if name not in mock["rows"]:
        raise InputError(
            f"{key} asks for the part '{name}' of the mock, which made: {', '.join(sorted(mock['rows']))}. Name one of "
            f"these, or let [mock] make '{name}' and run `jpasbatch mock JOB.toml` again"
        )
    return workspace.folder / mock["folder"] / name
