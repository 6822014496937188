"""What the spectra of all mocks share: wavelength grids, dust, the gas in front of quasars, bands, distances."""
