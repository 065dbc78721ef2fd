"""`finetune`: train CHGNet further, on trajectories or on all that a home has computed at one level."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnome_lite.cli.common import Home, print_json, print_line, say, settings_of
from gnome_lite.core.plain_text import file_name

if TYPE_CHECKING:
    from gnome_lite.settings import Settings
    from gnome_lite.verify.trajectories import Frame


def finetune(
    labelled: Annotated[
        list[Path] | None,
        typer.Argument(help="Trajectories (extxyz, Parquet) or folders of them; one level of theory."),
    ] = None,
    level: Annotated[
        str | None, typer.Option(help="Instead: all that this home has computed at a level, e.g. gpaw-22.8.0-PBE-....")
    ] = None,
    out: Annotated[Path, typer.Option(help="File of weights to write.")] = Path("chgnet-tuned.safetensors"),
    base: Annotated[str, typer.Option(help="0.3.0, r2scan, or a file of an earlier fine-tuning.")] = "0.3.0",
    epochs: Annotated[int, typer.Option(min=0, help="Over the training crystals; 0 refits the elements alone.")] = 20,
    learning_rate: Annotated[float, typer.Option(min=0, help="Of its first step.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of the random numbers.")] = 0,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    home: Home = None,
) -> None:
    """Fine-tune CHGNet and tell its errors on held-out formulas before and after.

    Formulas are split by their md5: 75 % are trained on, 10 % choose the epoch, 15 % are held out. Use the result as
    `calculator = "chgnet"`, `calculator_kwargs = {checkpoint = "FILE"}`; its level is named after its SHA-256.
    """
    from gnome_lite.core.errors import ConfigError

    if bool(labelled) == (level is not None):
        raise ConfigError("name files of labelled crystals, or --level LEVEL of this home: one of the two")
    if format not in ("table", "json"):
        raise ConfigError(f"--format {format}: choose from table, json")
    from gnome_lite.verify.chgnet.fine_tuning import finetune as train
    from gnome_lite.verify.trajectories import read_trajectories

    frames = _of_home(settings_of(home), level) if level is not None else read_trajectories(labelled or [])
    say(f"{len(frames)} labelled crystals, level {frames[0].level or 'not stated'}; training from CHGNet {base}")
    tuned = train(frames, out, base, epochs, learning_rate, seed=seed)
    if format == "json":
        print_json(asdict(tuned), indent=None)
        return
    print_line(f"{tuned.n_train} trained on, {tuned.n_validation} to choose by, {tuned.n_holdout} held out")
    for name, errors in (("before", tuned.before), ("elements refitted", tuned.shifted), ("after", tuned.after)):
        print_line(
            f"{name:18s} {1000 * errors.energy_ev_per_atom:8.1f} meV/atom  "
            f"{1000 * errors.force_ev_per_ang:6.1f} meV/Å  {1000 * errors.stress_ev_per_ang3:6.2f} meV/Å^3"
        )
    print_line(f"level {tuned.level}, written to {tuned.path}")


def _of_home(settings: Settings, level: str) -> list[Frame]:
    """Return trajectories, verified crystals and competing phases of a level; forces only where a trajectory has them.

    Raises:
        SourceError: if there are none.
    """
    import numpy as np

    from gnome_lite.assemble import open_store
    from gnome_lite.core.errors import SourceError, StoreError
    from gnome_lite.verify.results_log import read_results
    from gnome_lite.verify.trajectories import Frame, read_trajectories

    folder = settings.home / "trajectories" / file_name(level)
    frames = read_trajectories([folder]) if folder.is_dir() else []
    traced = {path.stem for path in folder.glob("*")}
    computed = list(read_results(settings.home / "levels" / f"{file_name(level)}.jsonl"))
    with contextlib.suppress(StoreError):  # a home may hold nothing but what `gnome-lite references` commands made
        computed += open_store(settings).verifications(level)
    for v in {v.candidate_id: v for v in computed if v.ok and v.candidate_id not in traced}.values():
        unknown = np.full((len(v.crystal), 3), np.nan)
        frames.append(Frame(v.crystal, v.energy_ev, unknown, np.full((3, 3), np.nan), level))
    if not frames:
        raise SourceError(
            f"{settings.home} has computed nothing at level {level}: `gnome-lite status` names its levels"
        )
    return frames
