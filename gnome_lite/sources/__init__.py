"""Sources of reference phases and labelled crystals: the seed, files, releases, Materials Project, public tables."""
