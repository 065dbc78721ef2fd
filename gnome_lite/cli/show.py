"""`show`: everything the store knows of one crystal, from its lineage to its last verdict at each level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, number, print_drawn, print_line, print_section, settings_of, store_of, yes_no
from gnome_lite.cli.show_reference import print_cell, show_reference
from gnome_lite.core.origins import coverage_in_words
from gnome_lite.core.plain_text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from gnome_lite.core.records import Verdict
    from gnome_lite.store.lineage import CrystalHistory, IssuedVerdict


OTHER_VOLUME = 0.06
"""Potentials and functionals differ by a few percent in the volume of one crystal; by more, something is wrong."""


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="A crystal's id, or its beginning.")],
    dft: Annotated[bool, typer.Option("--dft", help="Also what DFT would say, by the Δ-model: some seconds.")] = False,
    home: Home = None,
) -> None:
    """Print all that the store holds of one crystal, with its lineage; of a reference phase, its source and place."""
    from gnome_lite.core.errors import SourceError, StoreError

    try:
        history = store_of(home).show(id)
    except StoreError as error:
        if id.startswith("gl-") or "-" not in id:  # no reference's id, which need not be looked for
            raise
        try:
            show_reference(id, home)
        except SourceError as no_reference:
            raise StoreError(f"{error}; {no_reference}") from no_reference
        return
    _heading(history)
    for verdict in history.standing.values():
        _standing(verdict)
    if dft:
        _by_dft(history, home)
    _crystals(history)
    _predictions(history)
    _verdicts(history)
    _lineage(history)


def _meaning(verdict: IssuedVerdict) -> str:
    """Return what a verdict means, in the words that keep it from meaning more."""
    v, against = verdict.verdict, f"hull {verdict.verdict.hull_id or 'of that level'}"
    if verdict.reference_set_id:
        size = f" ({verdict.n_references} entries)" if verdict.n_references is not None else ""
        against = f"reference set {verdict.reference_set_id}{size}, {against}"
    away = "" if v.stable else f", {1000 * v.e_above_hull_ev_per_atom:.1f} meV/atom above the hull,"
    return f"surrogate-{'' if v.stable else 'un'}stable{away} at level {v.level} relative to {against}"


def _heading(history: CrystalHistory) -> None:
    print_line(f"{history.candidate.id}  {history.formula}  ({history.chemical_system})", style="bold")
    if not history.verdicts:
        failed = [v.verification for v in history.verifications if v.verification.failure is not None]
        why = f"verification failed: {failed[-1].failure} ({failed[-1].detail})" if failed else "not verified yet"
        print_line(f"no verdict; {why}")
        return
    from gnome_lite.stability.reference_coverage import missing_reference

    first, *higher = history.standing.values()
    for verdict in (first, *higher):
        print_line(_meaning(verdict))
    print_line("not a DFT or experimental verdict unless that level is one")
    v = first.verdict
    like = "nearest of its formula:" if v.novel else "the same as"
    nearest = f"; {like} {v.nearest_known}" if v.nearest_known else ""
    print_line(f"novel: {yes_no(v.novel)}{nearest}; ordering suspect: {yes_no(v.ordering_suspect)}")
    if v.novelty is not None:
        print_line(f"beside the references: {v.novelty} ({v.novelty.meaning})")
    if first.coverage is not None:
        print_line(f"references in {history.chemical_system}: {coverage_in_words(*first.coverage)}")
    if v.prototype:
        like = f", as in {v.credibility.analogue}" if v.credibility.analogue else ""
        new = " (no reference and no earlier crystal has it)" if v.credibility.new_prototype else ""
        print_line(f"prototype: {v.prototype}{new}{like}")
    for flag in (missing_reference(v.decomposition_ev_per_atom), *v.credibility.flags, *_other_volumes(history)):
        if flag:
            print_line(f"beware: {flag}")


def _other_volumes(history: CrystalHistory) -> Iterator[str]:
    """Yield where another level finds another volume than the campaign's own: another crystal, or one is wrong."""
    relaxed = {i.verification.level: i.verification.crystal for i in history.verifications if i.verification.ok}
    own = next(iter(history.standing))
    per_atom = {level: crystal.volume / len(crystal) for level, crystal in relaxed.items()}
    for level, volume in per_atom.items():
        ratio = volume / per_atom.get(own, volume)
        if abs(ratio - 1) > OTHER_VOLUME:
            yield f"the volume is {ratio:.2f} times as large at {level} as at {own}"


def _standing(issued: IssuedVerdict) -> None:
    """Print the energies of a crystal at one level."""
    v = issued.verdict
    print_section(f"Energies at {v.level}, eV/atom")
    print_line(f"formation energy      {v.e_form_ev_per_atom:+.4f}")
    print_line(f"energy above hull     {v.e_above_hull_ev_per_atom:+.4f}")
    print_line(f"decomposition energy  {v.decomposition_ev_per_atom:+.4f}  (relative to all other phases)")
    if v.products:
        parts = " + ".join(f"{share:.3f} {formula} [{entry}]" for entry, formula, share in v.products)
        print_line(f"competing phases (fractions of atoms): {parts}")


def _by_dft(history: CrystalHistory, home: Path | None) -> None:
    """Print the DFT-corrected formation energy of a verified crystal, where a Δ-model is shipped for its level."""
    from gnome_lite.assemble import dft_correction, knows_dft, open_phases

    last = next(iter(history.standing.values()), None)
    if last is None or not knows_dft(last.verdict.level):
        return
    phases = open_phases(settings_of(home), last.campaign)
    if phases.level != last.verdict.level or history.candidate.id not in phases:
        return
    (corrected,) = dft_correction(phases, [history.candidate.id])
    if corrected is not None:
        energy = f"{corrected.e_form_ev_per_atom:+.4f} ± {corrected.spread_ev_per_atom:.4f}"
        print_line(f"corrected formation   {energy}  ({corrected.target})")
        print_line(
            f"P(DFT-stable) {corrected.p_stable:.2f} among references and verified crystals, by {corrected.model_id}"
        )


def _crystals(history: CrystalHistory) -> None:
    for issued in history.verifications:
        v = issued.verification
        state = f"failed: {v.failure} ({v.detail})" if v.failure is not None else "relaxed"
        print_section(f"Verification at {v.level}, campaign {issued.campaign}, round {issued.round}: {state}")
        print_line(
            f"energy {number(v.energy_ev if v.ok else None, 6)} eV, largest force {v.max_force_ev_per_ang:.4f} eV/Å, "
            f"{v.n_steps} steps, {v.seconds:.1f} s",
        )
        if issued.space_group_number is not None:
            print_line(f"space group {issued.space_group} ({issued.space_group_number})")
        if v.ok:
            print_cell(v.crystal)
    print_section(f"As proposed in {', '.join(f'{c} round {r}' for c, r in history.campaigns)}")
    print_cell(history.candidate.crystal)


def _predictions(history: CrystalHistory) -> None:
    if history.predictions:
        print_section("Predictions before verification, eV/atom")
    roles = {(s.campaign, s.round): f"{s.role}, rank {s.rank + 1}" for s in history.selections if s.own}
    last = next(iter(history.standing.values()), None)
    verified = None if last is None else last.verdict
    for issued in history.predictions:
        p = issued.prediction
        error = ""
        if verified is not None:
            error = f", off by {1000 * (p.e_form_ev_per_atom - verified.e_form_ev_per_atom):+.0f} meV/atom"
        role = roles.get((issued.campaign, issued.round), "not chosen")
        print_line(
            f"{issued.campaign} round {issued.round}: formation {p.e_form_ev_per_atom:+.3f} "
            f"(spread {p.spread_ev_per_atom:.3f}{error}), hull {p.e_above_hull_ev_per_atom:+.3f}, "
            f"P(stable) {p.p_stable:.2f}, model {p.model_id}; {role}",
        )


def _verdicts(history: CrystalHistory) -> None:
    if history.verdicts:
        print_section("Verdicts, oldest first")
    last: dict[tuple[str, str], Verdict] = {}
    for issued in history.verdicts:
        v = issued.verdict
        cause = "" if issued.cause == "judged" else f", re-issued {issued.issued_at[:10]} for {issued.cause}"
        print_line(
            f"{issued.campaign} round {issued.round}{cause}: surrogate-{'' if v.stable else 'un'}stable, "
            f"{v.e_above_hull_ev_per_atom:.4f} above hull {v.hull_id or '-'}, "
            f"decomposition {v.decomposition_ev_per_atom:+.4f}, level {v.level}",
        )
        key = issued.campaign, v.level
        if key in last:
            print_line(f"  moved: {_how_moved(last[key], v)}")
        last[key] = v


def _how_moved(before: Verdict, now: Verdict) -> str:
    """Return the difference of two verdicts of one crystal in words, energies in meV/atom."""
    said = []
    for name, old, new in (
        ("formation energy", before.e_form_ev_per_atom, now.e_form_ev_per_atom),
        ("above hull", before.e_above_hull_ev_per_atom, now.e_above_hull_ev_per_atom),
        ("decomposition energy", before.decomposition_ev_per_atom, now.decomposition_ev_per_atom),
    ):
        if abs(new - old) > 5e-5:
            said.append(f"{name} {1000 * (new - old):+.1f}")
    if before.stable != now.stable:
        said.append("off the hull" if before.stable else "onto the hull")
    old_products, new_products = ({entry: formula for entry, formula, _ in v.products} for v in (before, now))
    for word, phases, others in (("new", new_products, old_products), ("no longer", old_products, new_products)):
        names = [f"{formula} [{entry}]" for entry, formula in phases.items() if entry not in others]
        if names:
            said.append(f"{word} competing phase{'s' if len(names) > 1 else ''} {', '.join(names)}")
    if before.novel != now.novel:
        said.append("novel now" if now.novel else f"the same as {now.nearest_known} now")
    if before.novelty != now.novelty:
        said.append(f"{now.novelty} now" if now.novelty else "a reported compound now")
    return "; ".join(said) or "by less than 0.05 meV/atom"


def _lineage(history: CrystalHistory) -> None:
    from rich.tree import Tree

    print_section("Lineage")
    steps = list(history.lineage)[::-1]
    names = [f"{a.id} {a.formula}" if a.formula else f"{a.id} (reference set)" for a in steps]
    changes = [a.change or "" for a in steps[1:]] + [history.candidate.change]
    root = branch = Tree(printable(names[0]) if names else "no parent", highlight=False)
    for name, change in zip([*names[1:], f"{history.candidate.id} {history.formula}"], changes, strict=False):
        branch = branch.add(printable(f"{name}  by {change}" if change else name))
    print_drawn(root)
