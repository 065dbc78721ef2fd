"""Aliovalent substitution that leaves sites empty: `VacancySubstitution`, a `Generator`.

An ion is replaced everywhere by fewer of a higher charge, as many as bring the same charge, and the sites that are left
over are empty, in every order that symmetry tells apart. Half of olivine's Li+ give way to Fe2+ and the others to
nothing: LiFePO4 becomes sarcopside, Fe3(PO4)2. All Fe2+ of magnetite become Fe3+, a third of them gone: maghemite,
Fe2O3. Such crystals have other stoichiometries than their parents, and no exchange of one ion for another reaches them.
"""

from __future__ import annotations

from gnome_lite.generate.partial import PartialSubstitution


class VacancySubstitution(PartialSubstitution):
    """Sites, cells and ions are chosen as in partial substitution; the chosen sites take the new ion, the others none.

    Attributes:
        name: "vacancies".
        skipped: as there.
    """

    name = "vacancies"
    vacant = True
    block = 1024  # few choices a parent: the likeliest of very many parents come first
