"""One check for all options of mocks that have a range."""

from __future__ import annotations

from collections.abc import Mapping


def check_ranges(options: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuse options outside of their range.

    Parameters
    ----------
    options : dataclass
    limits : mapping of str to (float, float)
        Lowest and highest value of each option, both allowed.

    Raises
    ------
    ValueError
        If a value is outside, or is no number; it names the key, what was found and what is allowed.
    """
    for key, (low, high) in limits.items():
        value = getattr(options, key)
        if not low <= value <= high:
            raise ValueError(f"{key} = {value!r}: must be from {low:,} to {high:,}")
