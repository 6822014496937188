"""Target lists on their way to a telescope: what is wrong with one, and what changed since the last."""
