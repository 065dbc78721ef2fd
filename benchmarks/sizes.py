"""How much every benchmark measures, at three efforts: the only place that says so."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Effort(IntEnum):
    """SMOKE asks in seconds whether everything still runs, DEFAULT measures, LONG takes hours for the whole."""

    SMOKE = 0
    DEFAULT = 1
    LONG = 2


SIZES: dict[str, tuple[int, int, int]] = {
    # what                                 smoke  default      long    (0 = that part is not run)
    "made_up.system":                       (26,      26,       26),
    "made_up.others":                      (110,     110,      110),
    "made_up.pool":                         (60,      60,       60),
    "stability_hull.repeats":                 (1,       7,        7),
    "stability_hull.small_systems":          (20,    1000,     1000),
    "stability_hull.stored":               (1000,  50_000,   50_000),
    "stability_hull.systems":                 (4,     500,      500),
    "stability_hull.peer_systems":            (2,      20,      500),
    "stability_hull.queries":                (10,     200,      200),
    "stability_store.stored":               (200,  50_000,   50_000),
    "stability_store.added":                  (5,    1000,     1000),
    "stability_store.checked":                (3,      50,      200),
    "store_reading.stored":                (200, 200_000,  200_000),
    "store_reading.spare":                  (20,  20_000,   20_000),
    "store_reading.shown":                  (10,    2000,     2000),
    "store_reading.repeats":                 (1,       5,        5),
    "stability_uncertainty.entries":         (10,     200,      200),
    "stability_uncertainty.draws":           (40,     400,      400),
    "stability_uncertainty.peer_draws":       (2,      10,       60),
    "stability_analyses.synthesis":           (1,      40,       40),
    "stability_analyses.gases":               (1,      30,       30),
    "stability_analyses.oxygen":              (2,      15,       60),
    "stability_analyses.ranges":              (2,      20,       60),
    "campaign_scale.stored":                (200, 100_000,  100_000),
    "campaign_scale.candidates":             (20,    1000,     1000),
    "campaign_scale.max_atoms":               (4,      20,       20),
    "campaign_scale.budget":                  (1,      24,       24),
    "verification_relaxation.crystals":       (1,      10,      100),
    "verification_levels.wbm":                (2,     483,      483),
    "verification_levels.relaxed":            (1,      24,      100),
    "verification_levels.stock":              (1,       6,       24),
    "verification_levels.draws":             (20,     400,      400),
    "verification_batches.crystals":          (2,      16,       40),
    "verification_batches.repeats":           (1,       3,        3),
    "verification_batches.torch_sim":         (1,       0,        1),
    "verification_sabotage.kinds":            (1,      10,       10),
    "verification_sabotage.each":             (1,       2,       20),
    "verification_gates.relaxed":             (1,       0,       40),
    "verification_dft.systems":               (0,       0,        1),
    "verification_delta.trained":             (1,       0,        1),
    "verification_delta.members":             (2,       5,        5),
    "verification_delta.epochs":              (1,      15,       15),
    "verification_delta.epochs_shuffled":     (1,       8,        8),
    "verification_delta.draws":              (50,    2000,     2000),
    "verification_delta.resamples":          (10,    1000,     1000),
    "verification_delta.shuffled":           (80,    3000,     3000),
    "prediction_dft.cgcnn_epochs":            (1,       0,       30),
    "prediction_composition.timed":         (100,  10_000,   10_000),
    "prediction_speed.pool":                 (20,    1000,     1000),
    "prediction_speed.pools":                 (4,       4,       16),
    "prediction_speed.chgnet":                (2,      60,       60),
    "prediction_speed.repeats":               (1,       3,        3),
    "prediction_ablation.crystals":          (60,       0,     2000),
    "prediction_ablation.epochs":             (1,      10,       10),
    "candidates_substitution.parents":        (1,      30,       30),
    "candidates_substitution.small_cells":    (1,      30,       30),
    "candidates_substitution.partial":       (10, 100_000,  100_000),
    "candidates_random.structures":           (5,     500,      500),
    "candidates_random.pyxtal":               (1,      40,       40),
    "candidates_duplicates.candidates":      (40,    2000,     2000),
    "candidates_duplicates.many":             (0,       0,     6000),
    "candidates_duplicates.repeats":          (1,       9,        9),
    "candidates_stream.elements":            (12,      81,       81),
    "candidates_stream.least":              (100,  10_000,   10_000),
    "candidates_stream.most":               (100, 100_000, 1_000_000),
    "candidates_recovery.targets":            (2,     250,      400),
    "learning_replay.seeds":                  (1,       5,        5),
    "seed_reported.stable":                  (0,  100000,   100000),
    "learning_climbers.seeds":               (2,      20,       20),
    "learning_replay.rounds":                 (2,       6,        6),
    "learning_replay.budget":                 (5,      50,       50),
    "learning_replay.retrained":              (1,       0,        1),
    "learning_from_little.rounds":            (1,       0,        6),
    "learning_rediscovery.partial":          (50,    1500,     1500),
    "learning_rediscovery.budget":            (2,       0,     1000),
    "learning_rediscovery.rounds":            (1,      10,       10),
    "learning_campaign.verifications":        (2,       0,     1000),
}  # fmt: skip


def size(name: str, effort: Effort) -> int:
    """Return how much of something a benchmark measures."""
    return SIZES[name][effort]


def campaign_settings(effort: Effort) -> dict[str, dict[str, Any]]:
    """Return sections of a campaign beside their defaults: in a smoke run one small network, hardly trained."""
    if effort is not Effort.SMOKE:
        return {}
    hardly = {"members": 1, "width": 16, "epochs": 1, "retrain_epochs": 1, "processes": 1}
    return {"predict": hardly, "verify": {"processes": 1}}
