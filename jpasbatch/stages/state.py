"""What state a job is in: which stages are done, what is damaged; and the command that mends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jpasbatch.algorithms import raised
from jpasbatch.compute.clusters.executor import Cluster
from jpasbatch.compute.clusters.registry import open_cluster
from jpasbatch.compute.clusters.serial import SerialCluster
from jpasbatch.errors import HeldError, InputError
from jpasbatch.job.job import load_cluster
from jpasbatch.job.notify import NotifyOptions
from jpasbatch.stages.keep.repair import as_plain, join_faults, repair, tell, verify
from jpasbatch.stages.pipeline import ORDER, needed_stages, open_workspace, run_stage
from jpasbatch.stages.publish.command import versions_lines, versions_told
from jpasbatch.stages.run.history import recorded_run
from jpasbatch.stages.run.mending import mend_public
from jpasbatch.stages.run.notification import Notice, notified
from jpasbatch.stages.run.provenance import write_provenance
from jpasbatch.stages.run.reporting import report_stage, short
from jpasbatch.stages.run.versions import has_versions, in_workshop
from jpasbatch.stages.run.workshop import open_workshop
from jpasbatch.stages.run.workspace import Workspace


def show_status(
    job_file: Path, output: Path | None, data: Path | None, thorough: bool = False, as_json: bool = False
) -> int:
    """Print which stages are done with the job file as it is, what they recorded, and what is damaged.

    Parameters
    ----------
    job_file, output, data : Path
    thorough : bool
        Whether every byte that was published is hashed, or only looked at.
    as_json : bool
        One JSON object for machines.

    Returns
    -------
    int
        0 when all are, 4 when a version is held, 1 when a stage is not done.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    workspace = open_workspace(job_file, output, data)
    table = Table(title=f"{workspace.job.name} in {workspace.folder}", box=box.SIMPLE, title_justify="left")
    for column in ("stage", "state", "finished", "seconds", "partitions", "rows", "quarantined"):
        table.add_column(column, justify="left" if column in ("stage", "state", "finished") else "right")
    complete, reasons, states = True, [], {}
    versions, workshop = versions_told(workspace), in_workshop(workspace)
    waits = bool(versions.keys() - {"published"})
    stages = needed_stages(workspace)
    damaged = verify(workspace, stages, thorough)
    for stage in stages:
        try:
            record = workspace.record(stage)
        except InputError:  # it is among what is damaged
            record = None
        row = _status_row(workspace, stage, record)
        made = workshop.record(stage) if waits else None
        if row[1] != "done" and made is not None and workshop.is_current(stage, made):
            row[1], record = "held", made
        news = raised((record or {}).get("algorithms", {}))
        reasons += [f"{stage} is out of date: {line}" for line in news]
        complete &= row[1] in ("done", "held") and not news
        states[stage] = row[1] = "damaged" if stage in damaged else row[1]
        table.add_row(*row)
    code = 1 if damaged or not complete else HeldError.exit_code if waits else 0
    if as_json:
        told = {"stages": states, "reasons": reasons, "damaged": as_plain(damaged), "verified": thorough}
        print(json.dumps(told | ({"versions": versions} if versions else {})))
        return code
    Console().print(table)
    for line in (*reasons, *versions_lines(versions)):
        print(line)
    tell(damaged)
    if damaged:
        print("`jpasbatch repair JOB.toml` makes it again from what is whole")
    elif thorough:
        print("every byte that was published is what was written")
    return code


def repair_job(
    job_file: Path,
    output: Path | None,
    data: Path | None,
    cluster_file: Path | None,
    serial: bool,
    as_json: bool = False,
    told: Sequence[NotifyOptions] = (),
) -> int:
    """Verify all that a job published, make what is damaged again, and say what came of it.

    Returns
    -------
    int
        0 when all is whole.

    Raises
    ------
    InputError
        When something is damaged that cannot be made again.
    """
    with notified(told, "repair", job_file) as notice:
        workspace = open_workspace(job_file, output, data)
        notice.job = workspace.job.name
        _repair(workspace, SerialCluster() if serial else load_cluster(cluster_file), as_json, notice)
    return 0


def _repair(workspace: Workspace, cluster: Cluster, as_json: bool, notice: Notice) -> None:
    stages = needed_stages(workspace)

    def run_stages(trusting: Workspace, which: Sequence[str]) -> None:
        with open_cluster(cluster) as executor:
            run.losses.append(executor.losses)
            for stage in which:
                earlier = None if stage in trusting.distrusted else trusting.record(stage)
                if faults := trusting.distrusted.get(stage):
                    trusting.damaged[stage] = len(faults)
                run.start(stage)
                record = run_stage(stage, trusting, executor)
                run.add(stage, earlier, record)
                if not as_json:
                    report_stage(stage, record)

    with workspace.prepare(), recorded_run(workspace, "repair", stages) as run:
        notice.run = run
        if has_versions(workspace):
            run.workspace = open_workshop(workspace)
        before, after = repair(run.workspace, stages, run_stages)
        write_provenance(run, ORDER)
        if run.workspace is not workspace:
            public, left = mend_public(workspace, run.workspace)
            before, after = join_faults(before, public), join_faults(after, left)
        if as_json:
            print(json.dumps({"damaged": as_plain(before), "left": as_plain(after)}, sort_keys=True))
        else:
            tell(before)
        if after:  # within the block: the history tells how the command ends
            first = next(iter(after.values()))[0]
            raise InputError(
                f"{sum(map(len, after.values()))} files could not be made again, among them {first.path}, which "
                f"{first.what}; restore them from a copy, or remove the output folder and run the job again"
            )
    if not as_json:
        print(f"repaired: {sum(map(len, before.values()))} files" if before else "nothing is damaged")


def _status_row(workspace: Workspace, stage: str, record: dict[str, Any] | None) -> list[str]:
    if record is None:
        commits = len(list((workspace.folder / "work" / stage).glob("*/ledger/*.json")))
        return [stage, f"{commits} commits, not finished" if commits else "missing", "", "", "", "", ""]
    rows, quarantined = (_total(record.get(key, "")) for key in ("rows_out", "quarantined"))
    cells = (record.get("partitions", ""), rows or _total(record.get("rows", "")), quarantined)
    current = workspace.is_current(stage, record) and not raised(record.get("algorithms", {}))
    return [
        stage,
        "done" if current else "out of date",
        record["finished"][:16].replace("T", " "),
        f"{record['seconds']:.1f}",
        *(short(cell) for cell in cells),
    ]


def _total(value: Any) -> Any:
    """Return the sum of what is counted by kind, as the samples of a mock are; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return sum(_total(item) for item in value.values())
