"""Which hidden stable compounds of Fe-Li-O-P a campaign finds again (Materials Project entries, CC BY 4.0).

By default: how many of them have a parent, and which the generators make at all; no energy is computed. In a long run:
the campaigns themselves, hours the first time; they are kept in $GNOME_LITE_REDISCOVERY_HOME, else in
data/local/rediscovery, and only read when they are complete.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, data_dir
from benchmarks.sizes import Effort, campaign_settings, size
from gnome_lite.config import CampaignConfig, GeneratorName
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.evaluation.rediscovery import Hidden

ENTRIES = "mp_entries_Fe-Li-O-P.json.gz"
PARENTS = ("mp20_val.csv.gz", "mpts52_val.csv.gz")
BUDGETS = (25, 50, 100, 200, 500)
WITH_PARENT, WITHOUT_PARENT, OVER_ION_EXCHANGE = 0.8, 1, 2.0


def measure(effort: Effort = Effort.DEFAULT) -> Iterator[Row]:
    """Yield what can be made; in a long run what campaigns found instead, in a smoke run both."""
    data_dir()
    budget = size("learning_rediscovery.budget", effort)
    if not budget or effort is Effort.SMOKE:
        # Of partial substitution so many distinct candidates are looked at as five rounds take.
        yield from _candidates(size("learning_rediscovery.partial", effort))
    if budget:
        yield from _campaigns(budget, effort)


@dataclass(frozen=True, slots=True)
class _Parents:
    ids: list[str]
    crystals: CrystalBatch


def _candidates(most_partial: int) -> Iterator[Row]:
    """What can be made, with the given phases as DFT has them."""
    from gnome_lite.evaluation.rediscovery import StructureTypes, concealed, dft_distances, split_entries
    from gnome_lite.evaluation.rediscovery_campaigns import MAX_ATOMS
    from gnome_lite.evaluation.rediscovery_setup import read_entries, read_parents_of
    from gnome_lite.novelty.novelty import CrystalNovelty
    from gnome_lite.sources.bundled_seed import SeedSource
    from gnome_lite.stability.hull import build_hull

    novelty = CrystalNovelty()
    dft = read_entries(data_dir() / ENTRIES)
    elements = sorted({e for x in dft for e in x.crystal.chemical_system.split("-")})
    away = dft_distances(dft, build_hull)
    seed = SeedSource().load()
    near = build_hull(seed).distances(seed.counts, seed.e_form_ev_per_atom)
    everything = [*seed, *(e for name in PARENTS for e in read_parents_of(data_dir() / name))]
    hide = concealed(CrystalBatch.from_crystals(e.crystal for e in everything), elements)
    to_hide, given = split_entries(dft, away, novelty)
    shown = [e for e, hidden in zip(everything, hide, strict=True) if not hidden] + given
    types = StructureTypes([e.id for e in shown], CrystalBatch.from_crystals(e.crystal for e in shown))
    hidden = [Hidden(e.id, e.crystal, types.of(e.crystal)) for e in to_hide]
    yield Row("stable compounds of three and more elements in Fe-Li-O-P, hidden", "", len(hidden), None, "", None)
    with_parent = [h for h in hidden if h.parents]
    yield Row("of these, with a parent (fit_anonymous)", "", len(with_parent), None, "", None)
    config = CampaignConfig.model_validate(
        {
            "space": {"chemical_systems": ("-".join(elements),), "min_elements": 3, "max_elements": len(elements)},
            "generate": {"max_atoms": MAX_ATOMS},
        }
    )
    far = {e.id for e, d in zip(seed, near, strict=True) if d > config.generate.parents_e_above_hull_max}
    usable = [e for e in shown if e.id not in far and len(e.crystal) <= MAX_ATOMS]
    parents = _Parents([e.id for e in usable], CrystalBatch.from_crystals(e.crystal for e in usable))
    made_by: dict[str, set[str]] = {}
    generators: dict[GeneratorName, int | None] = {"substitution": None, "prototypes": None, "partial": most_partial}
    for name, most in generators.items():
        n, made_by[name] = _made(name, config, parents, hidden, most)
        of_parents = sum(h.id in made_by[name] for h in with_parent)
        yield Row(f"of these, made by {name}", "", len(made_by[name]), None, f"of {n} distinct candidates", None)
        yield Row(f"of these, made by {name}, with a parent", "", of_parents, None, "", None)
    union = set().union(*made_by.values())
    share = sum(h.id in union for h in with_parent) / max(len(with_parent), 1)
    yield Row("of these with a parent, made by any: share", "", share, None, "", None, ">= 0.8", share >= WITH_PARENT)
    more = sum(h.id in union for h in hidden if not h.parents)
    yield Row("of these without a parent, made by any", "", more, None, "", None, ">= 1", more >= WITHOUT_PARENT)


def _made(
    name: GeneratorName, config: CampaignConfig, parents: _Parents, hidden: list[Hidden], most: int | None
) -> tuple[int, set[str]]:
    """How many distinct candidates a generator makes that pass the gate, and which hidden crystals are among them."""
    from gnome_lite.assemble import make_gate, make_generator
    from gnome_lite.novelty.matcher.index import SameCrystals

    targets, own, gate = SameCrystals(), SameCrystals(), make_gate(config)
    for h in hidden:
        targets.add(h.id, h.crystal)
    generator = make_generator(name, config)
    n, made = 0, set[str]()
    for chunk in generator.generate(parents.crystals, parents.ids, 1, np.random.default_rng(0)):
        passed = chunk.crystals.take([not cause for cause in gate.causes(chunk.crystals)])
        names = [f"{n}-{i}" for i in range(len(passed))]
        fresh: list[Crystal] = [c for c, equal in zip(passed, own.admit(names, passed), strict=True) if equal is None]
        n += len(fresh)
        made |= {found for c in fresh if (found := targets.find(c)) is not None}
        if most is not None and n >= most:
            break
    return n, made


def _tiny(config: CampaignConfig) -> CampaignConfig:
    """Return the same campaign with few candidates and no training."""
    sections = campaign_settings(Effort.SMOKE) | {"generate": {"candidates": 20, "max_atoms": 8}}
    sections["predict"] |= {"retrain": "never"}
    changed = {name: getattr(config, name).model_copy(update=keys) for name, keys in sections.items()}
    return config.model_copy(update=changed)


def _campaigns(most: int, effort: Effort) -> Iterator[Row]:
    import sys

    from gnome_lite.evaluation.rediscovery_campaigns import ARMS, arm_config, run_arm
    from gnome_lite.evaluation.rediscovery_setup import prepare_rediscovery
    from gnome_lite.report.progress import progress_on

    home = Path(os.environ.get("GNOME_LITE_REDISCOVERY_HOME", "data/local/rediscovery"))
    with progress_on(sys.stderr) as progress:
        task = prepare_rediscovery(data_dir() / ENTRIES, [data_dir() / name for name in PARENTS], home, progress)
        configs = {arm: arm_config(arm, task, most, size("learning_rediscovery.rounds", effort)) for arm in ARMS}
        if effort is Effort.SMOKE:
            configs = {arm: _tiny(config) for arm, config in configs.items()}
        results = {arm: run_arm(arm, task, config, progress) for arm, config in configs.items()}
    ours = results["campaign"]
    figures = ours.as_json()
    yield Row("stable compounds of three and more elements in Fe-Li-O-P, hidden", "", len(task.hidden), None, "", None)
    yield Row("of these, equal to a crystal of the bundled seed (a leak)", "", len(task.leaks), None, "", None)
    yield Row("of these, with a parent (fit_anonymous)", "", figures["with_parent"], None, "", None)
    share = figures["found_with_parent"] / max(figures["with_parent"], 1)
    name = f"of these with a parent, found again within {most} verifications: share"
    yield Row(name, "", share, None, "", None, f">= {WITH_PARENT}", share >= WITH_PARENT)
    alone = figures["found_without_parent"]
    name = f"of these without a parent, found again within {most} verifications"
    yield Row(name, "", alone, None, "", None, f">= {WITHOUT_PARENT}", alone >= WITHOUT_PARENT)
    yield Row("of these, found again and called stable", "", figures["found_stable"], None, "", None)
    for budget in (*(b for b in BUDGETS if b < most), most):
        found = ours.found_within(budget)
        for other, title in ((results["ion_exchange"], "plain ion exchange"), (results["random"], "random")):
            peer = other.found_within(budget)
            ratio = found / peer if peer else None
            wanted = budget == most and other.arm == "ion_exchange"
            yield Row(
                f"of these, found again within {budget} verifications", "", found, peer, title, ratio,
                f">= {OVER_ION_EXCHANGE:g}x" if wanted else "",
                (ratio is None or ratio >= OVER_ION_EXCHANGE) if wanted else None,
            )  # fmt: skip
    for arm, result in results.items():
        yield Row(f"verifications of {arm}", "", len(result.trials), None, "", None)
        claims = result.claims
        yield Row(f"claims of {arm}: stable and new", "", claims.n, None, "", None)
        yield Row(f"claims of {arm}: DFT has an entry", "", claims.known_to_dft, None, "", None)
        right = claims.near_dft_hull / claims.known_to_dft if claims.known_to_dft else float("nan")
        yield Row(f"claims of {arm}: of these within 50 meV/atom of the DFT hull, share", "", right, None, "", None)
    missed = [r for r in ours.returns if not r.found]
    for cause in sorted({r.outcome.split(" (")[0] for r in missed}):
        n = sum(r.outcome.split(" (")[0] == cause for r in missed)
        formulas = " ".join(r.formula for r in missed if r.outcome.split(" (")[0] == cause)
        yield Row(f"missed, {cause}: {formulas}", "", n, None, "", None)
