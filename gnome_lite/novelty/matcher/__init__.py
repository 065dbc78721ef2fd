"""Groups of crystals that are the same: those that pymatgen's StructureMatcher makes."""
