"""Parents: the observed or modelled spectra from which mock objects descend, with permanent names."""
