"""What the command line does with versions: decide after a run, publish what is held, discard it, go back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jpasbatch.errors import HeldError, InputError
from jpasbatch.stages.publish.stage import REFUSED, Decision, publish_or_hold, refusal
from jpasbatch.stages.run.history import PUBLICATION, RunOfStages, recorded_run
from jpasbatch.stages.run.mending import version_faults
from jpasbatch.stages.run.notification import Notice
from jpasbatch.stages.run.versions import (
    Version,
    contents_identity,
    current_version,
    has_versions,
    held_version,
    in_workshop,
    note,
    published_records,
    read_versions,
)
from jpasbatch.stages.run.workshop import drop_version, open_workshop, publish_version
from jpasbatch.stages.run.workspace import Workspace
from jpasbatch.storage.catalogue.collection import POINTER, open_catalogue

PAGE = "report.html"


def check_gated(workspace: Workspace) -> None:
    """Refuse a job that publishes by versions with a collection in an object store.

    Raises
    ------
    InputError
    """
    if workspace.location is not None and has_versions(workspace):
        raise InputError(
            f"--sky {workspace.location}: a job with [gates] publishes on a file system, where one link moves "
            "everything at once. Run it in the output folder, and put what is published into the store with "
            "`jpasbatch replicate`"
        )


def decide(workspace: Workspace, run: RunOfStages, stages: Sequence[str], as_json: bool) -> Path:
    """Decide what becomes of what a run made, tell it, and return the folder that shows it.

    Parameters
    ----------
    workspace : Workspace
        The output folder.
    run : RunOfStages
        In whose workspace the stages ran.
    stages : sequence of str
        That the job needs.
    as_json : bool

    Raises
    ------
    HeldError
        When a version is held.
    """
    decision = publish_or_hold(workspace, run.workspace, stages)
    run.stages[PUBLICATION] = decision.told()
    if as_json:
        print(json.dumps({"stage": PUBLICATION, **decision.told()}, sort_keys=True), flush=True)
    if decision.state == "held":
        raise HeldError(_held_text(workspace, decision))
    if decision.state == "unfinished":
        return not_decided(run, as_json)
    if not as_json and decision.version is not None:
        news = "published" if decision.state == "published" else "published already"
        print(f"version {decision.version.number}: {news}")
    return workspace.folder


def not_decided(run: RunOfStages, as_json: bool) -> Path:
    """Tell that what a single stage made is not published, and return the folder that shows it."""
    if not as_json:
        print(
            f"not published: `jpasbatch run JOB.toml` does that, after all stages; see {run.workspace.folder}"
        )
    return run.workspace.folder


def _held_text(workspace: Workspace, decision: Decision) -> str:
    version, current = decision.version, current_version(workspace.folder)
    assert version is not None
    public = f"version {current.number} stays public" if current else "nothing is public yet"
    if version.state == "held":
        what = 'Then `jpasbatch publish JOB.toml --accept "REASON"` publishes it; `jpasbatch discard JOB.toml` drops it'
    else:
        what = (
            "It stays so until an input, an option or the committee changes; "
            f'`jpasbatch publish JOB.toml --version {version.number} --accept "REASON"` publishes it all the same'
        )
    lines = "\n".join(f"  {one}" for one in decision.why)
    return (
        f"version {version.number} is made, and held back; {public}:\n{lines}\n"
        f"  Version {version.number} is in {_shown(version)}\n  {what}"
    )


def _shown(version: Version) -> Path:
    """Return the page of a version, or its folder where the job makes no page."""
    page = version.folder / PAGE
    return page if page.is_file() else version.folder


def publish_job(
    workspace: Workspace,
    accept: str | None,
    number: int | None = None,
    as_json: bool = False,
    notice: Notice | None = None,
) -> int:
    """Publish the version that is held, or an earlier one, after every byte of it was verified.

    Parameters
    ----------
    workspace : Workspace
    accept : str or None
        Why a version is published that the gates held; needed for one that never was public.
    number : int, optional
        Of the version; without it the one that is held.
    as_json : bool
    notice : Notice, optional
        What will be told of it.

    Returns
    -------
    int
        The exit code 0.

    Raises
    ------
    InputError
        When there is no such version, or it is not whole any more.
    """

    def act(workspace: Workspace) -> Version:
        version = _held(workspace) if number is None else _numbered(workspace, number)
        if not version.last("published") and not (accept or "").strip():
            raise InputError(
                f'version {version.number} was never public: say why it is to be, with --accept "REASON"'
            )
        if version.current:
            return version
        _check_whole(workspace, version)
        current = current_version(workspace.folder)
        if current is not None and version.number < current.number:
            note(workspace.folder, current, "withdrawn", by=version.number, reason=accept or "")
        accepted = note(workspace.folder, version, "accepted", reason=accept or "")
        return publish_version(workspace.folder, accepted)

    return _do(workspace, "publish", act, as_json, notice)


def discard_job(
    workspace: Workspace, reason: str | None, as_json: bool = False, notice: Notice | None = None
) -> int:
    """Drop the version that is held; nothing that is public changes. Returns the exit code 0.

    Raises
    ------
    InputError
        When none is held.
    """

    def act(workspace: Workspace) -> Version:
        return drop_version(workspace.folder, _held(workspace), "discarded", reason=reason or "")

    return _do(workspace, "discard", act, as_json, notice)


def _do(
    workspace: Workspace,
    verb: str,
    act: Callable[[Workspace], Version],
    as_json: bool,
    notice: Notice | None,
) -> int:
    if notice is not None:
        notice.job = workspace.job.name
    check_gated(workspace)
    if not has_versions(workspace):
        raise InputError(
            f"{verb}: job '{workspace.job.name}' publishes whatever a run makes; versions are kept of jobs with a "
            "table [gates]"
        )
    with workspace.prepare(), recorded_run(workspace, verb, ()) as run:
        if notice is not None:
            notice.run = run
        open_workshop(workspace)
        version = act(workspace)
        reason = version.last("accepted" if version.current else version.state).get("reason", "")
        told = {"state": version.state, "version": version.number, "why": [reason] if reason else []}
        run.stages[PUBLICATION] = told
    if as_json:
        print(json.dumps({"stage": PUBLICATION, **told}, sort_keys=True))
    else:
        print(f"version {version.number}: {version.state}")
    return 0


def _held(workspace: Workspace) -> Version:
    held = held_version(workspace.folder)
    if held is None:
        raise InputError(
            f"no version of job '{workspace.job.name}' is held; `jpasbatch history` shows what became of each run, and "
            "--version N publishes another version"
        )
    return held


def _numbered(workspace: Workspace, number: int) -> Version:
    versions = [one for one in read_versions(workspace.folder) if one.is_there]
    for version in versions:
        if version.number == number:
            return version
    listed = ", ".join(f"{one.number} ({one.state})" for one in versions) or "none"
    raise InputError(f"--version {number}: there is no such version any more; there are {listed}")


def _check_whole(workspace: Workspace, version: Version) -> None:
    """Refuse a version of which a byte is another than was written.

    Raises
    ------
    InputError
    """
    there = replace(workspace, folder=version.folder)
    faults = [fault for faults in version_faults(workspace, version).values() for fault in faults]
    if faults:
        raise InputError(
            f"version {version.number} is not whole any more: {faults[0].path} {faults[0].what}"
            f"{f', and {len(faults) - 1} more files' if faults[1:] else ''}. It is not published; what is public stays"
        )
    if (there.sky / POINTER).exists():
        open_catalogue(there.sky)


def versions_told(workspace: Workspace) -> dict[str, Any]:
    """Return which version is public, and which is held or was decided against, for `jpasbatch status`.

    Empty for jobs without versions.
    """
    versions = read_versions(workspace.folder)
    told: dict[str, Any] = {}
    for version in versions:
        if version.current:
            told["published"] = {"version": version.number, "since": version.last("published").get("when")}
    records = published_records(in_workshop(workspace)) if versions else {}
    latest = [one for one in versions if one.identity == contents_identity(records)]
    waiting = held_version(workspace.folder)
    if waiting is None and latest and latest[-1].state in REFUSED:
        waiting = latest[-1]
    if waiting is not None:
        refused = waiting.state in REFUSED
        event = waiting.last(waiting.state)
        why = [refusal(waiting)] if refused else waiting.last("held").get("why", [])
        told[waiting.state if refused else "held"] = {
            "version": waiting.number,
            "since": event["when"],
            "why": why,
            "page": str(_shown(waiting)),
        }
    return told


def versions_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what people read of `versions_told`."""
    if "published" in told:
        yield f"version {told['published']['version']} is public, since {_day(told['published']['since'])}"
    for state in ("held", *REFUSED):
        if one := told.get(state):
            yield f"version {one['version']} is held back, since {_day(one['since'])}; see {one['page']}"
            yield from (f"  {why}" for why in one["why"])


def _day(date: str | None) -> str:
    return "a run that was killed" if date is None else date[:16].replace("T", " ")
