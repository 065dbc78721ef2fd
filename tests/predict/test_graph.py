"""Graphs against ASE's neighbour list, and what has no graph."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.neighborlist import neighbor_list

from gnome_lite.core.crystals import Crystal, CrystalBatch
from gnome_lite.predict import graph
from gnome_lite.predict.graph import GraphSet, build_graphs

CUTOFF = 4.0
DISTANCE_TOLERANCE_ANG = 1e-5  # distances are kept as float32


def crystals() -> list[Crystal]:
    rng = np.random.default_rng(0)
    skewed = Crystal.make([8, 26, 3], rng.random((3, 3)), [[3.1, 0, 0], [1.9, 2.7, 0.1], [-1.0, 0.8, 5.2]])
    return [
        Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.64)),
        Crystal.from_ase(bulk("Fe", "bcc", a=2.87)),
        skewed,
        Crystal.make(skewed.numbers, skewed.frac_coords + np.array([5, -3, 100]), skewed.lattice),
    ]


@pytest.mark.parametrize("crystal", crystals())
def test_edges_are_those_of_ase(crystal: Crystal) -> None:
    graphs, ok = build_graphs(CrystalBatch.from_crystals([crystal]), CUTOFF)
    i, j, d = neighbor_list("ijd", crystal.to_ase(), CUTOFF)
    assert ok.all()
    assert graphs.average_adjacency == len(d) / len(crystal)
    ours = sorted(zip(graphs.receivers, graphs.senders, graphs.distances.round(3), strict=True))
    theirs = sorted(zip(i, j, d.astype(np.float32).round(3), strict=True))
    np.testing.assert_allclose(ours, theirs, atol=2e-3)
    np.testing.assert_allclose(np.sort(graphs.distances), np.sort(d), atol=DISTANCE_TOLERANCE_ANG)


def test_cells_searched_together_have_the_edges_of_vesin(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    batch = CrystalBatch.from_crystals(
        Crystal.make(rng.integers(1, 90, n), rng.uniform(-2, 2, (n, 3)), rng.normal(0, 1, (3, 3)) + np.eye(3) * side)
        for n, side in zip(rng.integers(1, 25, 80), rng.uniform(3.5, 9, 80), strict=True)
    )
    together, ok = build_graphs(batch, CUTOFF)
    monkeypatch.setattr(graph, "MAX_SMALL_ATOMS", 0)
    one_by_one, also_ok = build_graphs(batch, CUTOFF)
    np.testing.assert_array_equal(ok, also_ok)
    np.testing.assert_array_equal(together.n_edges, one_by_one.n_edges)
    np.testing.assert_array_equal(together.receivers, one_by_one.receivers)
    edges = []
    for g in (together, one_by_one):
        crystal = np.repeat(np.arange(len(g)), g.n_edges)
        ends = np.stack([crystal, g.receivers, g.senders], axis=1)
        by_distance = np.lexsort((g.distances, crystal))
        edges.append((ends[np.lexsort((g.senders, g.receivers, crystal))], g.distances[by_distance]))
    np.testing.assert_array_equal(edges[0][0], edges[1][0])
    np.testing.assert_allclose(edges[0][1], edges[1][1], atol=DISTANCE_TOLERANCE_ANG)
    # Directions: an atom's neighbours' vectors sum to the same.
    np.testing.assert_allclose(*(np.add.reduceat(g.directions, _first(g)) for g in (together, one_by_one)), atol=1e-3)


def _first(graphs: GraphSet) -> np.ndarray:
    return np.cumsum(graphs.n_edges) - graphs.n_edges


def test_take_is_building_of_the_taken() -> None:
    batch = CrystalBatch.from_crystals(crystals())
    graphs, _ = build_graphs(batch, CUTOFF)
    taken, (built, _) = graphs.take([2, 0]), build_graphs(batch.take([2, 0]), CUTOFF)
    for name, array in taken.arrays().items():
        np.testing.assert_array_equal(array, built.arrays()[name], err_msg=name)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.17])
def test_rescaled_graphs_are_graphs_of_the_rescaled(factor: float) -> None:
    batch = CrystalBatch.from_crystals(crystals())
    wide, _ = build_graphs(batch, CUTOFF / 0.8 ** (1 / 3))
    rescaled, (built, _) = wide.scaled(factor, CUTOFF), build_graphs(batch.scaled(factor), CUTOFF)
    np.testing.assert_array_equal(rescaled.n_edges, built.n_edges)
    np.testing.assert_allclose(np.sort(rescaled.distances), np.sort(built.distances), atol=DISTANCE_TOLERANCE_ANG)


def test_what_has_no_graph_is_left_out_and_the_rest_is_kept() -> None:
    good = Crystal.from_ase(bulk("NaCl", "rocksalt", a=5.64))
    x, z = good.frac_coords, good.numbers
    nan = np.array(good.lattice)
    nan[0, 0] = np.nan
    bad = {
        "no edge": Crystal(z, x, good.lattice * 3),
        "beyond Pu": Crystal(np.array([95, 17]), x, good.lattice),
        "NaN lattice": Crystal(z, x, nan),
        "NaN atom": Crystal(z, x * np.nan, good.lattice),
        "infinite": Crystal(z, x, np.full((3, 3), np.inf)),
        "flat": Crystal(z, x, np.array([[3.0, 0, 0], [0, 3, 0], [3, 3, 0]])),
        "crushed": Crystal(z, x, good.lattice * 1e-3),
        "huge numbers": Crystal(z, x, good.lattice * 1e200),
    }
    batch = CrystalBatch.from_crystals([good, *bad.values(), good])
    graphs, ok = build_graphs(batch, CUTOFF)
    assert dict(zip(bad, ok[1:-1], strict=True)) == dict.fromkeys(bad, False)
    assert ok[[0, -1]].all()
    assert len(graphs) == 2
    assert graphs.n_edges[0] == graphs.n_edges[1] > 0


def test_no_crystals() -> None:
    graphs, ok = build_graphs(CrystalBatch.empty(), CUTOFF)
    assert isinstance(graphs, GraphSet)
    assert (len(graphs), len(ok)) == (0, 0)
