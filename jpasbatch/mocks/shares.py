"""The check of options that are shares of kinds of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def check_shares(key: str, shares: Mapping[str, float], kinds: Sequence[str]) -> None:
    """Refuse shares of kinds that do not exist, that are negative, or that leave nothing for other objects.

    Parameters
    ----------
    key : str
        Of the option.
    shares : mapping of str to float
    kinds : sequence of str
        Those that exist.

    Raises
    ------
    ValueError
        It names the key, what was found and what is allowed.
    """
    unknown = sorted(set(shares) - set(kinds))
    if unknown:
        raise ValueError(f"{key}: no kind {unknown[0]!r}; allowed: {', '.join(kinds)}")
    if not all(share >= 0 for share in shares.values()) or not sum(shares.values()) < 1:
        raise ValueError(f"{key} = {shares!r}: shares must not be negative, and their sum must be below 1")
