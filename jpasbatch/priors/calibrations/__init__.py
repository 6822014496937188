"""How probabilities are calibrated before class shares are found from them; a module a family."""
