"""Fluxes to feature arrays; numpy and pyarrow only."""
