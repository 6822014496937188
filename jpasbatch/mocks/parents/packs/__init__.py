"""Parents that a template pack gives: observed and modelled spectra, with permanent names."""
