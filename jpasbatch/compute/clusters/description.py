"""What a cluster would be, told without starting it: for plans."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """What a kind of cluster would start.

    Attributes
    ----------
    kind : str
    workers : int or None
        How many it asks for; None where somebody else has started them.
    says : str
        A line for people.
    script : str
        What would be sent to a queue, as text; empty where there is no queue.
    """

    kind: str
    workers: int | None
    says: str
    script: str = ""
