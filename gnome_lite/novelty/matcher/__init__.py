"""Which crystals are the same: the groups that pymatgen's StructureMatcher makes."""
