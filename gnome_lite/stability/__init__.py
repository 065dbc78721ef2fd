"""Where crystals stand: the lower hull of formation energies, distances to it and decompositions."""
