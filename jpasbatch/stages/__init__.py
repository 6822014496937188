"""One verb per module: load the configuration, map the pure function, commit."""
