"""How unlike all that was learnt an object is: ordinary spectra, levels, and the subset that an object belongs to."""
