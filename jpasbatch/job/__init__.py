"""Job and cluster files: TOML into frozen objects, checked."""
