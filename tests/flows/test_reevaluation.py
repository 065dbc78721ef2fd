"""The flow of re-verdicts on a real store."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples.judged import judged, write_known

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("prefect")
def test_every_campaign_of_a_store_is_looked_up_again(tmp_path: Path) -> None:
    from flows.reevaluation import reevaluate

    store = judged(tmp_path)
    write_known(tmp_path / "known.extxyz", with_li2o=True)
    figures = reevaluate(home=str(tmp_path))
    assert figures.keys() == {"oxides"}
    oxides = figures["oxides"]
    assert (oxides["cause"], oxides["standing"], oxides["moved"], oxides["lost"]) == ("other references", 1, 1, 1)
    (verdict,) = store.verdicts("oxides").values()
    assert verdict.e_above_hull_ev_per_atom == pytest.approx(0.5)
    assert reevaluate(["oxides"], str(tmp_path))["oxides"]["moved"] == 0
