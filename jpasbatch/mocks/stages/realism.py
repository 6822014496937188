"""The realism report of the mock stage: what the sets hold, and how they compare with observed objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jpasbatch.compute.clusters.executor import Executor
from jpasbatch.compute.runner import Task
from jpasbatch.mocks.options.templates import TemplateSky
from jpasbatch.mocks.realism.tally import RealismTally
from jpasbatch.mocks.stages.materials import count_parents, open_workshop
from jpasbatch.photometry.reported import magnitude_role
from jpasbatch.stages.run.mapping import map_tasks, require_all
from jpasbatch.stages.run.mock_facts import MockSet
from jpasbatch.stages.run.pages import publish_page
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.stores.files import write_atomically
from jpasbatch.version import __version__

REPORT, MEASURED = "mock/realism.html", "mock/realism.json"


def write_realism_report(
    workspace: Workspace,
    options: TemplateSky,
    ingredients: Path,
    made: Mapping[str, MockSet],
    executor: Executor,
) -> str:
    """Measure the sets, compare with observed objects, and write the report.

    Tallies of the partitions are added one at a time; the comparison is one task on a worker.

    Returns
    -------
    str
        Path of the report, relative to the output folder.
    """
    from jpasbatch.mocks.realism.realism import expected_counts
    from jpasbatch.mocks.realism.report import render_realism
    from jpasbatch.mocks.skies.objects import faintest_of

    compared = workspace.run_folder("mock", "realism") / "compared.json"
    task = Task("realism", (options, workspace.job.survey, str(ingredients), str(compared)))
    _, troubles = map_tasks("mock: realism", compare_with_observed, [task], executor)
    require_all(troubles, "comparisons with observed objects")
    sets = {}
    for name, part in made.items():
        tally = _total(workspace, part)
        sets[name] = {
            "rows": part.rows,
            "partitions": part.partitions,
            "area_deg2": part.area_deg2,
            "tally": tally.to_dict(),
            "expected": expected_counts(options, name, part.area_deg2, faintest_of(workspace.survey)),
        }
    content = {"sets": sets, **json.loads(compared.read_bytes())}
    facts = {
        "job": workspace.job.name,
        "title": workspace.job.title,
        "survey": workspace.survey.name,
        "band": magnitude_role(workspace.survey),
        "seed": options.seed,
        "templates": Path(options.templates).name,
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "options": {key: value for key, value in asdict(options).items() if key != "templates"},
    }
    (workspace.folder / REPORT).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**content, "facts": facts}, sort_keys=True)
    write_atomically(workspace.folder / MEASURED, text.encode())
    publish_page(workspace.folder / REPORT, render_realism(content, facts))
    return REPORT


def _total(workspace: Workspace, part: MockSet) -> RealismTally:
    total = RealismTally.create(len(workspace.survey.bands))
    for path in sorted((workspace.folder / part.folder / "tally").glob("*.json")):
        total = total.merge(RealismTally.from_dict(json.loads(path.read_bytes())))
    return total


def compare_with_observed(options: TemplateSky, survey_name: str, ingredients: str, target: str) -> None:
    """Measure colours, lines and examples of mock objects beside observed ones, and write them aside."""
    from jpasbatch.mocks.realism.realism import colour_loci, gallery, library_colours, line_widths

    workshop = open_workshop(options, survey_name, ingredients)
    given, pack = workshop.ingredients, Path(options.templates)
    content = {
        "colours": colour_loci(workshop, pack, options.compared),
        "library_colours": library_colours(workshop, options.compared),
        "lines": line_widths(workshop, pack, options.compared) if "qso" in given.parents else None,
        "gallery": gallery(workshop),
        "parents": {
            name: count_parents(parents.kind, parents.split) for name, parents in given.parents.items()
        },
        "lacking": list(given.lacking),
    }
    write_atomically(Path(target), json.dumps(content).encode())
