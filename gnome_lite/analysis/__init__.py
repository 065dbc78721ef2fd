"""Analyses of one crystal or chemical system: reactions, synthesis, chemical potentials, DFT correction."""
