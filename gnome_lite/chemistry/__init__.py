"""Chemistry that needs no model: radii, oxidation states, distances, volumes, symmetry, sanity of crystals."""
