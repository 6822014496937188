"""What a job asks of ``ingest``: its files with their hashes, and all else that decides the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from jpasbatch.algorithms import algorithm_numbers
from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.mock_parts import mock_part
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.hashed import HashedFile, hash_file
from jpasbatch.storage.stores.ledger import fingerprint
from jpasbatch.storage.tables.refusal import refusing
from jpasbatch.storage.tables.tables import list_tables


class Asked(NamedTuple):
    """What decides the catalogue: files by their name in the input folder, all else by name, and all.

    ``filter_table`` is among the parts by its hash.
    """

    files: dict[str, HashedFile]
    filter_table: HashedFile | None
    parts: dict[str, Any]
    identity: str

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files, by their name in the input folder."""
        return {label: file.sha256 for label, file in self.files.items()}


def ask_ingest(workspace: Workspace, executor: Executor) -> Asked:
    """Return what the job asks of this stage: its files are hashed, and nothing is written.

    Raises
    ------
    InputError
        When there is no input.
    """
    section = workspace.job.catalogue
    root = _input_path(workspace)
    files = _hash_files({_label(path, root): path for path in list_tables(root)}, executor)
    hashes = {label: file.sha256 for label, file in files.items()}
    filter_table = hash_file(Path(section.filter_table)) if section.filter_table else None
    parts = {
        "filter_table": filter_table and filter_table.sha256,
        "options": section.model_dump(
            exclude={"input": True, "filter_table": True, "partitions": {"progress"}}
        ),
        "survey": workspace.survey_text("ingest"),
        "algorithms": algorithm_numbers("ingest"),
    }
    return Asked(files, filter_table, parts, fingerprint(inputs=hashes, **parts))


def _input_path(workspace: Workspace) -> Path:
    section = workspace.job.catalogue
    if section.input is not None:
        return Path(section.input)
    if workspace.job.fetch is not None:
        return workspace.folder / workspace.require("fetch")["tables"]
    mock = workspace.require("mock")
    return mock_part(workspace, mock, section.sample or "survey", "[catalogue] sample")


def _label(path: Path, root: Path) -> str:
    """Return a file's name within the input folder, by which it is known wherever that folder lies."""
    resolved = root.resolve()
    if path == resolved:
        return path.name
    return path.relative_to(resolved).as_posix() if path.is_relative_to(resolved) else str(path)


def _hash_files(files: dict[str, Path], executor: Executor) -> dict[str, HashedFile]:
    """Hash each file, and return it by its label, in the order of the labels."""
    tasks = [Task(f"hash-{index}", (label, str(path))) for index, (label, path) in enumerate(files.items())]
    results, troubles = map_tasks("ingest: input hashes", hash_table, tasks, executor)
    require_all(troubles, "input files")
    return dict(sorted(results.values()))


def hash_table(label: str, path: str) -> tuple[str, HashedFile]:
    """Return the label of an input file, and the file as it was hashed."""
    with refusing(path):
        return label, hash_file(Path(path))
