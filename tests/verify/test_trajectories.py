from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from samples.full_disk import filled

from gnome_lite.config import Verify
from gnome_lite.core.crystals import Crystal
from gnome_lite.core.errors import DiskError, SourceError
from gnome_lite.core.records import Candidate
from gnome_lite.verify.trajectories import Frame, read_trajectories, write_trajectory
from gnome_lite.verify.verifier import ProcessVerifier


def frames(n: int = 3) -> list[Frame]:
    rng = np.random.default_rng(1)
    made = []
    for _ in range(n):
        crystal = Crystal.make([11, 17], rng.random((2, 3)), 4 * np.eye(3) + rng.normal(0, 0.2, (3, 3)))
        stress = rng.normal(size=(3, 3))
        made.append(Frame(crystal, float(rng.normal()), rng.normal(size=(2, 3)), stress + stress.T, "level-1"))
    return made


@pytest.mark.parametrize(("kind", "tolerance"), [("extxyz", 1e-7), ("parquet", 0.0)])
def test_what_is_written_is_read(tmp_path: Path, kind: str, tolerance: float) -> None:
    wanted = frames()
    path = write_trajectory(tmp_path, kind, "level-1", "gl-1", wanted)
    assert path == tmp_path / "level-1" / f"gl-1.{kind}"
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing half-written stays"
    found = read_trajectories([tmp_path])
    assert len(found) == len(wanted)
    for a, b in zip(wanted, found, strict=True):
        assert (a.crystal.numbers == b.crystal.numbers).all()
        assert b.level == "level-1"
        for name in ("lattice", "cart_coords"):
            np.testing.assert_allclose(getattr(b.crystal, name), getattr(a.crystal, name), rtol=0, atol=1e-7)
        for name in ("energy_ev", "forces", "stress"):
            np.testing.assert_allclose(getattr(b, name), getattr(a, name), rtol=0, atol=tolerance)


def test_what_is_no_trajectory_is_named(tmp_path: Path) -> None:
    damaged = write_trajectory(tmp_path, "parquet", "level-1", "gl-1", frames())
    damaged.write_bytes(damaged.read_bytes()[:-40])
    (tmp_path / "bare.extxyz").write_text('2\nLattice="4 0 0 0 4 0 0 0 4"\nNa 0 0 0\nCl 2 2 2\n')
    (tmp_path / "empty").mkdir()
    for path, says in (
        (damaged, "cannot be read"),
        (tmp_path / "bare.extxyz", "no energy"),
        (tmp_path / "none.parquet", "there is no file"),
        (tmp_path / "x.cif", "is no trajectory"),
        (tmp_path / "empty", "holds no"),
    ):
        with pytest.raises(SourceError, match=says):
            read_trajectories([path])


@pytest.mark.parametrize("kind", ["off", "extxyz", "parquet"])
def test_a_verifier_keeps_every_step_if_asked(tmp_path: Path, kind: str) -> None:
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True)
    atoms.rattle(0.1, seed=2)
    crystal = Crystal.from_ase(atoms)
    config = Verify(calculator="emt", trajectories=kind, processes=1)
    with ProcessVerifier(config, trajectories=tmp_path) as verifier:
        (outcome,) = verifier.verify([Candidate("gl-7", crystal, "", "", "", 1)])
    assert outcome.ok
    if kind == "off":
        assert not list(tmp_path.iterdir())
        return
    found = read_trajectories([tmp_path / "emt" / f"gl-7.{kind}"])
    assert len(found) == outcome.n_steps + 1
    np.testing.assert_allclose(found[0].crystal.lattice, crystal.lattice, atol=1e-7)
    assert min(f.energy_ev for f in found) == pytest.approx(outcome.energy_ev, abs=1e-6)
    # The stress is the derivative of the energy by strain: from one frame to a cell grown by 0.1 %.
    from ase.calculators.emt import EMT

    first = found[0].crystal.to_ase()
    energies = []
    for factor in (0.999, 1.001):
        strained = first.copy()
        strained.set_cell(first.cell.array * factor, scale_atoms=True)
        strained.calc = EMT()
        energies.append(strained.get_potential_energy())
    slope = (energies[1] - energies[0]) / 0.002 / first.get_volume()
    assert np.trace(found[0].stress) == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("kind", ["extxyz", "parquet"])
def test_on_a_full_disk_nothing_half_written_stays(kind: str, small_disk: Path) -> None:
    many = frames(300)
    place = small_disk / "level-1"
    place.mkdir()
    with filled(small_disk, 4096), pytest.raises(DiskError, match=rf"gl-1\.{kind} \(No space left on device\): free"):
        write_trajectory(small_disk, kind, "level-1", "gl-1", many)
    assert not list(place.iterdir())
    assert write_trajectory(small_disk, kind, "level-1", "gl-1", many).exists()
