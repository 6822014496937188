"""How many quasars there are per square degree."""
