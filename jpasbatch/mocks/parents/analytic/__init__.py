"""Built-in parents: parametric spectra of stars, galaxies and quasars, for demonstration and not for science."""
