"""Parents of broad-band mocks: energy distributions by formulae, from the far ultraviolet to the submillimetre."""
