"""`seed`: the bundled reference set. `info` describes it, `build` makes it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import (
    CampaignFile,
    Home,
    Trust,
    config_of,
    local_prefect,
    print_line,
    print_lines,
    remember,
    settings_of,
    show_progress,
)
from gnome_lite.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.core.records import Candidate, Verification
    from gnome_lite.pipeline import Progress
    from gnome_lite.settings import Settings

app = typer.Typer(help="The bundled reference set: describe it, make it.", no_args_is_help=True)

Directory = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Of the seed. Default: the bundled one.")]


@app.command()
def info(
    data: Directory = None,
    compare: Annotated[
        Path | None, typer.Option(help="Elemental references of another level (JSON) to compare with.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="PNG to draw: coverage and distances to the hull.")] = None,
    labels: Annotated[
        list[Path] | None, typer.Option(help="CSV tables (cif, formation_energy_per_atom) to compare with.")
    ] = None,
) -> None:
    """Describe the reference set: level, size, elements, sources and licences; draw and compare it if asked to."""
    from gnome_lite.sources.bundled_seed import SeedSource

    references = SeedSource(None if data is None else data / "references.parquet").load()
    crystals = references.crystals
    kinds = Counter(int(n) for n in (crystals.counts > 0).sum(axis=1))
    names = {1: "elements", 2: "binaries", 3: "ternaries", 4: "quaternaries"}
    print_line(f"reference set {references.id}: {len(references)} entries at level {references.level}")
    print_line(", ".join(f"{n} {names.get(k, f'with {k} elements')}" for k, n in sorted(kinds.items())))
    print_line(f"{len(references.elemental_ev_per_atom)} elements: {' '.join(references.elemental_ev_per_atom)}")
    from_where = Counter(
        (source.split(":")[0], licence) for source, licence, n in references.source_counts for _ in range(n)
    )
    for (source, licence), n in from_where.most_common():
        print_line(f"{n:6d}  {source}  ({licence})")
    if compare is not None:
        from gnome_lite.sources.compare import elemental_table, read_elemental_energies

        print_lines("\n" + elemental_table(references.elemental_ev_per_atom, read_elemental_energies(compare)))
    if figure is not None:
        from gnome_lite.config import DEFAULT_ELEMENTS
        from gnome_lite.report.coverage import coverage_figure
        from gnome_lite.seed.statistics import datasheet
        from gnome_lite.stability.hull import build_hull

        sheet = datasheet(references, DEFAULT_ELEMENTS, build_hull)
        title = f"reference set {references.id}, level {references.level}"
        try:
            coverage_figure(sheet, title).savefig(figure)
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot draw {figure}: {error}; name a PNG in a directory you can write") from error
        print_line(f"drawn: {figure}")
    if labels:
        _beside_labels(references, labels)


@app.command()
def build(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Directory of the two Parquet files.")] = Path("data/seed"),
    compounds: Annotated[int | None, typer.Option(min=0, help="Substituted compounds to relax.")] = None,
    home: Home = None,
) -> None:
    """Make the reference set: relax elements, prototypes and compounds. Hours; a killed build goes on."""
    settings = settings_of(home)
    with local_prefect(settings, bool(context.obj)) as call:
        from flows.seed_build import seeding

        results_log = (settings.home / "seed" / "ledger.jsonl").resolve()
        made = call(seeding, str(out), str(results_log), compounds)
    for name, figure in made.items():
        print_line(f"{name}: {figure}")


@app.command()
def reported(
    out: Annotated[Path, typer.Option(help="Directory of the seed: reported.parquet, reported.csv.")] = Path(
        "data/seed"
    ),
    table: Annotated[
        Path, typer.Option(metavar="DIR", help="The table: structure_types/*.toml, compounds/*.csv.")
    ] = Path("data/reported"),
    max_atoms: Annotated[int, typer.Option(min=1, max=44, help="Of a primitive cell; larger ones are left out.")] = 44,
    processes: Annotated[int, typer.Option(min=0, help="Relaxations at once. 0 is one a core.")] = 0,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Relax nothing more: write what an unfinished call has.")
    ] = False,
    home: Home = None,
) -> None:
    """Relax the table of reported compounds, each within its space group. An hour; a killed call goes on."""
    from gnome_lite.assemble import make_novelty
    from gnome_lite.config import CampaignConfig
    from gnome_lite.seed.reported_phases import as_csv, candidates_of, check, phases_of, same_as_reported
    from gnome_lite.sources.bundled_seed import REPLACED, REPORTED, SeedSource
    from gnome_lite.sources.reference_files import write_references
    from gnome_lite.sources.reported_table import read_table

    settings = settings_of(home)
    plan = candidates_of(read_table(table), max_atoms)
    verify = {"symmetry": "kept", "deadline_s": 300.0, "processes": processes}
    with show_progress() as progress:
        config = CampaignConfig.model_validate({"verify": verify})
        outcomes = _outcomes([c for _, c in plan], config, settings, "reported", so_far, progress)
        checked = [check(entry, outcomes[candidate.id]) for entry, candidate in plan if candidate.id in outcomes]
        phases = phases_of(checked, make_novelty())
    write_references(out / REPORTED, phases)
    others = SeedSource(out / "references.parquet", reported=False).load()
    replaced = same_as_reported(phases, others, make_novelty())
    (out / REPLACED).write_text("".join(f"{i}\n" for i in replaced), encoding="utf-8")
    (out / "reported.csv").write_text(as_csv(checked), encoding="utf-8")
    remarks = Counter(c.remark.split(" ")[0].rstrip(":;,") for c in checked if c.remark)
    print_line(f"{len(phases)} phases of {len(checked)} reported compounds, of {len(plan)} in the table")
    print_line(f"remarks: {dict(remarks.most_common())}")


@app.command()
def hypothetical(
    out: Annotated[Path, typer.Option(help="Directory of the seed: hypothetical.parquet and its inputs.")] = Path(
        "data/seed"
    ),
    compounds: Annotated[int | None, typer.Option(min=1, help="How many to relax. Default: the plan's.")] = None,
    processes: Annotated[int, typer.Option(min=0, help="Relaxations at once. 0 is one a core.")] = 0,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Relax nothing more: write what an unfinished call has.")
    ] = False,
    home: Home = None,
) -> None:
    """Relax what generators make of the reported compounds, a few a system. Hours; a killed call goes on."""
    from dataclasses import replace

    from gnome_lite.assemble import assemble_seed, make_novelty
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.crystals import symbol
    from gnome_lite.core.origins import is_reported
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.seed.hypothetical import AT_ONCE, LEAST_LIKELY_ALLOY, HypotheticalPlan, plan_hypothetical
    from gnome_lite.seed.make import collect, summary
    from gnome_lite.sources.bundled_seed import HYPOTHETICAL, HYPOTHETICAL_INPUTS, SeedSource
    from gnome_lite.sources.reference_files import read_references, write_references

    settings = settings_of(home)
    plan = HypotheticalPlan() if compounds is None else replace(HypotheticalPlan(), compounds=compounds)
    known = SeedSource(out / "references.parquet", hypothetical=False).load()
    # What an earlier call has written is taken from there, so that another machine goes on without its log.
    files = [out / name for name in (HYPOTHETICAL, HYPOTHETICAL_INPUTS)]
    before, inputs = [read_references(file) if file.is_file() else [] for file in files]
    done = {e.crystal.content_id for e in inputs}
    reported = known.take([i for i, source in enumerate(known.sources) if is_reported(source)])
    elements = sorted({symbol(z) for z in set(reported.crystals.numbers.tolist())})
    space = {"elements": elements, "max_elements": 4}
    config = CampaignConfig.model_validate({"space": space, "verify": {"processes": processes}})
    with show_progress() as progress:
        parts = assemble_seed(config, plan.max_atoms, LEAST_LIKELY_ALLOY)
        planned = [c for c in plan_hypothetical(plan, known, parts, progress) if c.id not in done]
        outcomes = _outcomes(planned, config, settings, "hypothetical", so_far, progress, AT_ONCE)
        planned = [c for c in planned if c.id in outcomes]
        entries, new_inputs = collect(planned, outcomes, make_novelty(), progress, PhaseSet.make([*known, *before]))
    for file, some in zip(files, ([*before, *entries], [*inputs, *new_inputs]), strict=True):
        write_references(file, some)
    print_line(f"{len(entries)} phases of {len(planned)} compounds that were relaxed; {len(before)} were there before")
    for name, figure in summary(planned, outcomes).items():
        print_line(f"{name}: {figure}")


@app.command()
def gases(
    campaign: CampaignFile = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: in the home's references.")] = None,
    trust: Trust = False,
    home: Home = None,
) -> None:
    """Relax dry ice and ice with the campaign's calculator: `analyse` needs them for reactions with CO2 and H2O."""
    from gnome_lite.assemble import level_of, make_molecules, molecules_file

    config = config_of(campaign)
    settings = settings_of(home)
    remember(config, settings, trust)
    for entry in make_molecules(config, settings, out):
        name = entry.source.rpartition(": ")[2]
        print_line(f"{entry.crystal.reduced_formula} ({name}): {entry.energy_ev_per_atom:.4f} eV/atom at {entry.level}")
    print_line(f"out: {out or molecules_file(settings, level_of(config, settings))}")


def _outcomes(
    candidates: Sequence[Candidate],
    config: CampaignConfig,
    settings: Settings,
    name: str,
    so_far: bool,
    progress: Progress,
    at_once: int | None = None,
) -> dict[str, Verification]:
    """Return outcomes by candidate id: of all, relaxed now where the results log of this name lacks them, or so far."""
    from gnome_lite.assemble import make_verifier
    from gnome_lite.verify.results_log import read_results, relax_all

    log = settings.home / "seed" / f"{name}.jsonl"
    if so_far:
        return {v.candidate_id: v for v in read_results(log)}
    with make_verifier(config, None, settings) as verifier:
        return relax_all(candidates, verifier, log, progress, at_once)


def _beside_labels(references: PhaseSet, labels: list[Path]) -> None:
    """Print how far formation energies are from those of the same structures in tables."""
    import numpy as np

    from gnome_lite.assemble import make_novelty
    from gnome_lite.seed.statistics import compare_labels
    from gnome_lite.sources.labelled import read_labelled

    with show_progress() as progress:
        for path in labels:
            found = compare_labels(references, read_labelled(path), make_novelty(), progress)
            off = 1000 * found.difference_ev_per_atom
            said = f"{path.name}: {found.formulas} formulas in both, {len(off)} of its crystals are the same structure"
            if len(off):
                said += (
                    f"; formation energies here - there, meV/atom: mean {off.mean():+.0f}, "
                    f"median {np.median(off):+.0f}, mean absolute {np.abs(off).mean():.0f}"
                )
            print_line(said)
