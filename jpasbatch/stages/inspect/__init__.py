"""Stage ``inspect``: the zero points of tiles, by the colours of their objects."""
