"""Several sources as one, loaded once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gnome_lite.core.errors import SourceError
from gnome_lite.core.licences import permissive
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase
from gnome_lite.pipeline import Source

SAME_ENERGY_EV_PER_ATOM = 1e-3
"""Two labels of one crystal at one level differ by less, or one of them is wrong."""


class CombinedSource:
    """Sources in order of precedence; a crystal that two of them hold is taken from the first."""

    def __init__(self, sources: Sequence[Source], permissive_only: bool = False) -> None:
        """Take sources; with `permissive_only` entries of other licences, or none that is known, are left out."""
        self._sources = tuple(sources)
        self._permissive_only = permissive_only
        self._loaded: PhaseSet | None = None

    def load(self) -> PhaseSet:
        """Return the one reference set, the same object at every call.

        Raises:
            SourceError: if there are no sources, one fails, or two disagree on a crystal's energy.
            LevelMismatchError: if sources are of different levels of theory.
        """
        if self._loaded is None:
            if not self._sources:
                raise SourceError("no source of references: set sources.seed = true or name files")
            if len(self._sources) == 1 and not self._permissive_only:
                alone = self._sources[0].load()
                if len(set(alone.ids)) == len(alone):  # nothing to merge: the set as it is, half the time
                    self._loaded = alone
                    return alone
            sets = [source.load() for source in self._sources]
            kept = every = merge(phase for phases in sets for phase in phases)
            if self._permissive_only:
                kept = [e for e in every if permissive(e.licence)]
                if not kept:
                    licences = ", ".join(sorted({e.licence or "no licence" for e in every}))
                    raise SourceError(
                        f"no reference has a permissive licence ({licences}): "
                        'set sources.licences = "any", or name other sources'
                    )
            left_out = {cause: n for phases in sets for cause, n in phases.left_out.items()}
            self._loaded = replace(PhaseSet.make(kept), left_out=left_out)
        return self._loaded


def merge(entries: Iterable[Phase]) -> list[Phase]:
    """Return entries with each id once, the first of equals.

    Raises:
        SourceError: if one id comes with two energies at one level.
    """
    kept: dict[str, Phase] = {}
    for entry in entries:
        first = kept.setdefault(entry.id, entry)
        differ = abs(first.energy_ev_per_atom - entry.energy_ev_per_atom) > SAME_ENERGY_EV_PER_ATOM
        if differ and first.level == entry.level:
            raise SourceError(
                f"crystal {entry.id} ({entry.crystal.reduced_formula}) has {first.energy_ev_per_atom:.4f} eV/atom in "
                f"{first.source} and {entry.energy_ev_per_atom:.4f} in {entry.source}: remove the wrong one"
            )
        if first.level != entry.level:
            # Kept under a name of its own, so that PhaseSet.make sees both levels and refuses them.
            kept[f"{entry.id} {entry.level}"] = entry
    return list(kept.values())
