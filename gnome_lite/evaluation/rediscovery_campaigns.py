"""The campaigns of a rediscovery, one an arm, and what they found of the hidden crystals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from gnome_lite.assemble.generators import make_gate, make_generator
from gnome_lite.assemble.predictors import make_predictor
from gnome_lite.assemble.verifiers import level_of
from gnome_lite.campaign.runner import run_campaign
from gnome_lite.config import CampaignConfig, Generate
from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.evaluation.rediscovery import (
    Claims,
    Hidden,
    Return,
    Trial,
    concealed,
    count_claims,
    last_ranks,
    returns,
    trials,
)
from gnome_lite.evaluation.rediscovery_setup import Rediscovery, results_log_of
from gnome_lite.pipeline import Progress, silent
from gnome_lite.settings import Settings
from gnome_lite.verify.results_log import LoggedVerifier

Arm = Literal["campaign", "ion_exchange", "random"]
"""The default strategy and mix, and vacancies; plain ionic substitution by its probability; the mix at random."""
ARMS: tuple[Arm, ...] = get_args(Arm)

MAX_ATOMS = 40
"""A campaign's default is 20; LiFePO4 has 28 and Fe(PO3)2 36."""
CANDIDATES = 1000
"""New candidates a round, a campaign's default."""
CARRY_OVER = 2000
"""Candidates kept for another round: in one chemical system few substitutions are new after the first rounds."""
PER_COMPOSITION = 3
"""Polymorphs a round: in one chemical system there are few compositions."""
SUBSTITUTION_SHARE = 0.5
"""Share of the budget for the likeliest substitutions: the networks may be wrong about a single system as a whole."""
VACANCIES = 1.0
"""Weight of that generator beside the default mix: what has no parent may be another crystal with ions left out."""


@dataclass(frozen=True, slots=True, eq=False)
class ArmResult:
    """One campaign's figures."""

    arm: str
    trials: tuple[Trial, ...]
    returns: tuple[Return, ...]
    claims: Claims

    def found_within(self, verifications: int) -> int:
        """Return how many hidden crystals were found within so many verifications."""
        return sum(r.found and r.rank is not None and r.rank <= verifications for r in self.returns)

    def as_json(self) -> dict[str, Any]:
        """Return all figures as plain JSON."""
        return {
            "arm": self.arm,
            "verified": len(self.trials),
            "failed": sum(not t.verification.ok for t in self.trials),
            "seconds": round(sum(t.verification.seconds for t in self.trials), 1),
            "found": sum(r.found for r in self.returns),
            "found_stable": sum(r.stable for r in self.returns),
            "with_parent": sum(r.parents > 0 for r in self.returns),
            "found_with_parent": sum(r.found and r.parents > 0 for r in self.returns),
            "found_without_parent": sum(r.found and not r.parents for r in self.returns),
            "claims": asdict(self.claims),
            "returns": [asdict(r) for r in self.returns],
        }


def arm_config(arm: Arm, task: Rediscovery, budget: int, rounds: int, max_atoms: int = MAX_ATOMS) -> CampaignConfig:
    """Return the settings of one arm: defaults, but for what is set here. A round verifies budget // rounds."""
    generate: dict[str, Any] = {"candidates": CANDIDATES, "max_atoms": max_atoms, "parents": task.parents}
    select: dict[str, Any] = {"budget": budget // rounds, "control": 0}
    if arm == "campaign":
        select |= {"per_composition": PER_COMPOSITION, "substitution_share": SUBSTITUTION_SHARE}
        generate["mix"] = {**Generate().mix, "vacancies": VACANCIES}
        carry_over = CARRY_OVER
    else:
        # No limit for polymorphs, and no network that decides which candidates are kept for another round.
        select |= {"strategy": arm, "per_composition": CANDIDATES * rounds}
        carry_over = CANDIDATES * rounds
    if arm == "ion_exchange":
        generate["mix"] = {"substitution": 1.0}
    space = {"chemical_systems": ("-".join(task.elements),), "min_elements": 3, "max_elements": len(task.elements)}
    return CampaignConfig.model_validate(
        {
            "name": arm,
            "rounds": rounds,
            "space": space,
            "sources": {"seed": False, "files": (task.known,)},
            "generate": generate,
            "predict": {"carry_over": carry_over},
            "select": select,
            "stop": {"patience": 0},
        }
    )


def run_arm(arm: Arm, task: Rediscovery, config: CampaignConfig, progress: Progress = silent) -> ArmResult:
    """Run one arm, or go on with it, and count the hidden crystals that it found."""
    from gnome_lite.assemble import assemble
    from gnome_lite.evaluation.replay_predictors import TablePredictor

    settings = Settings(home=task.home / arm, database_url=None)
    stages = assemble(config, settings, progress)
    store, level = stages.store, level_of(config, settings)
    verifier = LoggedVerifier(stages.verifier, results_log_of(task.home))
    predictor = (
        make_predictor(config, settings, level, lambda crystals: ~concealed(crystals, task.elements))
        if arm == "campaign"
        else TablePredictor()
    )
    stages = replace(stages, verifier=verifier, predictor=predictor)
    run_campaign(stages)
    tried = trials(store, config.name, level)
    formulas = {h.crystal.reduced_formula for h in task.hidden}
    made = [c for of in store.candidates_with_formulas(formulas).values() for c in of]
    ranks = last_ranks(store, config.name) if arm == "campaign" else {}
    if arm != "campaign":
        tried = [replace(t, prediction=None) for t in tried]
    why = partial(why_not_made, task=task, config=config)
    found = returns(task.hidden, tried, made, ranks, stages.novelty, why)
    claims = count_claims(tried, task.dft, task.distances, stages.novelty)
    return ArmResult(arm, tuple(tried), tuple(found), claims)


def why_not_made(hidden: Hidden, task: Rediscovery, config: CampaignConfig) -> str:
    """Return why ionic substitution into its parents did not make a hidden crystal, found by lifting all limits."""
    from gnome_lite.chemistry.oxidation import cause_of_no_states

    parents = [(i, task.crystals[i]) for i in hidden.parents]
    small = [(i, c) for i, c in parents if len(c) <= config.generate.max_atoms]
    if not small:
        return f"parents have more than {config.generate.max_atoms} atoms"
    lifted = config.generate.model_copy(update={"threshold": 1e-300})
    generator = make_generator("substitution", config.model_copy(update={"generate": lifted}))
    gate, best = make_gate(config), dict[str, float]()
    for crystal, probability in _into(hidden, generator, small):
        (cause,) = gate.causes(CrystalBatch.from_crystals([crystal]))
        best[cause] = max(best.get(cause, 0.0), probability)
    if best:
        cause = max(best, key=lambda c: best[c])
        if best[cause] <= config.generate.threshold:
            return f"substitution of probability {best[cause]:.1e} (threshold {config.generate.threshold:g})"
        return f"gate: {cause}" if cause else "parents too far above the hull, or the stream ended before"
    causes = {cause_of_no_states(c) for _, c in small} - {""}
    return f"its parents have {sorted(causes)[0]}" if causes else "no neutral substitution leads to it"


def _into(hidden: Hidden, generator: Any, parents: Sequence[tuple[str, Crystal]]) -> Iterator[tuple[Crystal, float]]:
    """Yield candidates from some parents that are a hidden crystal, with their probabilities."""
    from gnome_lite.novelty.matcher.pairs import same

    ids, batch = [i for i, _ in parents], CrystalBatch.from_crystals(c for _, c in parents)
    formula = hidden.crystal.reduced_formula
    for pool in generator.generate(batch, ids, 1, np.random.default_rng(0)):
        for i in np.flatnonzero(np.array(pool.crystals.reduced_formulas()) == formula):
            if same(hidden.crystal, pool.crystals[int(i)]):
                yield pool.crystals[int(i)], float(pool.probabilities[i])
