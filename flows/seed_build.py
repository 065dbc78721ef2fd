"""The bundled reference set made by a Prefect flow: plan, relax, collect, write; its results log lets it continue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows.discovery import as_task, current_progress
from gnome_lite.assemble import assemble_seed, make_verifier
from gnome_lite.config import CampaignConfig
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Candidate, Phase, Verification
from gnome_lite.seed.make import collect, summary
from gnome_lite.seed.plan import SeedPlan, plan_candidates
from gnome_lite.settings import Settings
from gnome_lite.sources.reference_files import write_references
from gnome_lite.verify.results_log import relax_all

DEADLINE_S = 300.0
"""Seconds for one crystal: the elements include cells of 32 atoms, which a campaign's deadline would cut off."""


@flow(name="seeding", flow_run_name="seeding", persist_result=False, retries=0)
def seeding(out: str, results_log: str, compounds: int | None = None) -> dict[str, Any]:
    """Relax elements, prototypes and substituted compounds, and write `references.parquet` and `inputs.parquet`.

    Args:
        out: directory of the two files.
        results_log: file of outcomes so far; those in it are not relaxed again.
        compounds: compounds to relax; default is the plan's.
    """
    progress = current_progress()
    config = CampaignConfig()
    plan = SeedPlan() if compounds is None else SeedPlan(compounds=compounds)
    parts = assemble_seed(config, plan.max_atoms)
    verifier = make_verifier(
        config.model_copy(update={"verify": config.verify.model_copy(update={"deadline_s": DEADLINE_S})}),
        None,
        Settings(),
    )
    # Figures alone pass through the engine; crystals stay here.
    candidates: list[Candidate] = []
    outcomes: dict[str, Verification] = {}
    made: list[tuple[PhaseSet, list[Phase]]] = []  # the set, and its unrelaxed crystals

    def choose() -> dict[str, Any]:
        progress("plan", 0, 0, "")
        candidates.extend(plan_candidates(plan, parts))
        return {"candidates": len(candidates)}

    def relax() -> dict[str, Any]:
        outcomes.update(relax_all(candidates, verifier, Path(results_log), progress))
        return summary(candidates, outcomes)

    def gather() -> dict[str, Any]:
        entries, inputs = collect(candidates, outcomes, parts.novelty, progress)
        made.append((PhaseSet.make(entries), inputs))
        return {"entries": len(made[0][0]), "id": made[0][0].id}

    def write() -> dict[str, Any]:
        references, inputs = made[0]
        write_references(Path(out) / "references.parquet", references)
        # The network learns from the unrelaxed crystal, too: each with the energy of what it relaxed to.
        write_references(Path(out) / "inputs.parquet", inputs)
        return {"out": out}

    as_task("plan", 0, choose)
    steps = (("relax", relax), ("collect", gather), ("write", write))
    return {"level": verifier.level} | {k: v for name, step in steps for k, v in as_task(name, 0, step).items()}
