"""The commented campaign file that `init` writes: every setting with its default, straight from the config's schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from gnome_lite.config import CampaignConfig

_SECTIONS = {
    "space": "The chemical space that candidates may lie in.",
    "sources": "Known crystals; all of one level of theory.",
    "generate": "Candidates: a mix of generators.",
    "gates": "What is refused before any energy is spent.",
    "predict": "The ensemble of graph networks.",
    "select": "Which candidates are relaxed in each round.",
    "stop": "When nothing is left to find.",
    "verify": "Relaxation, in child processes.",
}
_COMMENTS = {
    "name": "one store can hold many campaigns; a name goes on with the one it began",
    "seed": "the same seed gives the same candidates and verdicts",
    "rounds": "a finished campaign can be given more",
    "space.elements": "elements that candidates may have",
    "space.chemical_systems": 'if any, only these and their subsystems, e.g. ["Li-Fe-O"]',
    "space.allow_radioactive": "Tc, Pm, Po and beyond Bi",
    "sources.seed": "the bundled reference set",
    "sources.files": "your own crystals with energies of this level: extxyz, ASE db, pymatgen JSON",
    "sources.releases": "directories of `gnome-lite release`, of this level",
    "sources.materials_project": 'chemical systems to fetch, e.g. ["Li-Fe-O"]; needs MP_API_KEY',
    "sources.include_gnome": "entries under CC BY-NC",
    "sources.licences": '"permissive" leaves out entries that not everyone may use: CC BY-NC, not stated',
    "generate.candidates": "kept in each round",
    "generate.mix": "shares: substitution, partial, prototypes, random, intermetallic, vacancies",
    "generate.threshold": "least probability of a substitution",
    "generate.floor": "least exponent of the probability model (GNoME: 0)",
    "generate.max_atoms": "in a cell",
    "generate.parents_e_above_hull_max": "eV/atom",
    "generate.parents": "files of further parents: crystals without energies",
    "generate.supercell_max": "cells of a parent that partial substitution puts together",
    "generate.structures_per_composition": "of random search",
    "generate.composition_e_above_hull_max": "formulas searched, as predicted, eV/atom; inf = all",
    "gates.min_distance_ratio": "of the sum of covalent radii",
    "gates.volume_per_atom_min": "Å^3",
    "gates.volume_per_atom_max": "Å^3",
    "gates.charge_balance": '"strict" (states common in the ICSD), "relaxed" (as GNoME) or "off"; alloys pass',
    "predict.members": "networks in the ensemble",
    "predict.width": "of networks trained from nothing: 256 on a CUDA GPU, else 64",
    "predict.cutoff_ang": "Å",
    "predict.volume_scan": "0: the median over three volumes; n: the lowest of n volumes, 80-120 % (GNoME: 20)",
    "predict.cascade": "the whole ensemble only for what can still be picked",
    "predict.retrain_from": '"base" or "last": whose weights a round begins with',
    "predict.rehearsal": "known crystals learnt again in each round; 0 = all",
    "predict.carry_over": "promising unverified candidates of earlier rounds, predicted again",
    "predict.processes": "0 = one a core",
    "select.strategy": '"p_stable", "expected_improvement", "greedy" (as GNoME), "ion_exchange" or "random"',
    "select.budget": "crystals relaxed in each round",
    "select.budget_s": "seconds of relaxation in each round, all processes together",
    "select.likely": "share of the budget for the likeliest ionic substitutions, whatever the networks say",
    "select.explore": "share of the budget for what the networks know least about",
    "select.per_system": "of one chemical system; 0 = any number",
    "select.control": "and so many picked at random, to compare with",
    "select.e_above_hull_max": "predicted, eV/atom",
    "select.per_composition": "structures of one composition",
    "stop.patience": "poor rounds in a row after which the campaign ends; 0 = never",
    "stop.hit_rate": "below it, found and expected, a round is poor",
    "stop.fresh": "and where less than this share of what was generated was new",
    "verify.calculator": '"chgnet", or another by name (docs/calculators.md), or module:factory of any ASE calculator',
    "verify.fmax_ev_per_ang": "eV/Å",
    "verify.deadline_s": "seconds for one crystal",
    "verify.memory_gib": "for one process",
    "verify.processes": "0 = one a core",
    "verify.tries": "after a crash, a time-out or lack of memory",
    "verify.symmetry": '"kept": the space group of the start; "broken": saddles are left; "free": as forces have it',
    "verify.trajectories": '"extxyz" or "parquet": keep energy, forces and stress of each step',
    "verify.levels": 'the ladder, e.g. ["chgnet", "chgnet-r2scan", "gpaw"]; settings of one in [verify.level.NAME]',
}


def campaign_toml(config: CampaignConfig | None = None) -> str:
    """A campaign as TOML with comments; reading it gives the same campaign."""
    config = config or CampaignConfig()
    lines = ["# A gnome_lite campaign. Run it: gnome-lite run campaign.toml", ""]
    plain = {name: getattr(config, name) for name in type(config).model_fields}
    lines += [_line(name, value, "") for name, value in plain.items() if not isinstance(value, BaseModel)]
    for name, section in plain.items():
        if isinstance(section, BaseModel):
            lines += ["", f"# {_SECTIONS.get(name, name)}", f"[{name}]"]
            # A table of tables can be written below its section, but not after an empty one in its place.
            keys = [key for key in type(section).model_fields if key != "level" or getattr(section, key)]
            lines += [_line(key, getattr(section, key), f"{name}.") for key in keys]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any, prefix: str) -> str:
    comment = _COMMENTS.get(prefix + key)
    if value is None:  # TOML has no word for it
        return f"# {key} =  # {comment}; not set"
    line = f"{key} = {_toml(value)}"
    return f"{line}  # {comment}" if comment else line


def _toml(value: Any) -> str:
    plain = to_jsonable_python(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, (int, float)):
        return repr(plain)
    if isinstance(plain, str):
        return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{_toml(k)} = {_toml(v)}" for k, v in plain.items()) + "}"
    if isinstance(plain, (list, tuple)):
        return "[" + ", ".join(_toml(v) for v in plain) + "]"
    raise TypeError(f"{value!r} has no TOML form here")
