"""Published numbers of quasars, beside those of this sky."""
