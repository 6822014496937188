"""``jpasbatch templates``: what a folder of public template data is good for."""

from __future__ import annotations

from pathlib import Path

from jpasbatch.mocks.packs.status import CLASS_NEEDS, PackStatus, check_pack


def show_templates(folder: Path) -> int:
    """Print which sources of a template pack are there and can be read, and what can be made of them.

    Returns
    -------
    int
        0 when every class can be made and nothing is damaged, whatever enrichment is lacking; 2 when a
        file is damaged or no class can be made; 1 otherwise.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    from rich.console import Console

    status = check_pack(folder)
    console = Console()
    console.print(_table(status))
    for line in _summary(status, tuple(CLASS_NEEDS)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if status.damaged or not status.classes:
        return 2
    return 0 if len(status.classes) == len(CLASS_NEEDS) else 1


def _table(status: PackStatus) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(f"template pack {status.folder}"),
        box=box.SIMPLE,
        title_justify="left",
    )
    for column in ("source", "state", "provides", "published"):
        table.add_column(column, no_wrap=column in ("source", "state"), overflow="fold")
    for entry in status.sources:
        source = entry.source
        table.add_row(*map(Text, (source.key, entry.state, source.provides, source.published)))
    return table


def _summary(status: PackStatus, classes: tuple[str, ...]) -> list[str]:
    """Return the lines below the table: what is wrong first, since the table has no room for it."""
    lines = [
        f"{entry.source.key} is {entry.state}: {entry.message}"
        for entry in status.sources
        if entry.state in ("damaged", "incomplete")
    ]
    lines.append(f"can be made: {', '.join(status.classes) or 'no class'}")
    for name in classes:
        if name not in status.classes:
            needs = [key for key in CLASS_NEEDS[name] if key not in status.present]
            lines.append(f"cannot be made: {name}, which needs {', '.join(needs)}")
    if status.lacking:
        lines.append(f"lacking, and the mocks are poorer for it: {', '.join(status.lacking)}")
    return lines
