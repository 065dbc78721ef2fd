"""A long stream of the default mix through the gates: candidates a second, and memory, as the count grows.

Each count runs in a process of its own (`python -m benchmarks.candidates_stream COUNT ELEMENTS`), which tells its
processor seconds and its peak memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

from benchmarks.rows import Row
from benchmarks.sizes import Effort, size

MEMORY_LIMIT_GIB = 1.5
FLAT = 1.5
"""The cost per candidate may grow by this factor from the smallest to the largest count."""


def measure(effort: Effort = Effort.DEFAULT) -> list[Row]:
    least, most = (size(f"candidates_stream.{what}", effort) for what in ("least", "most"))
    elements = size("candidates_stream.elements", effort)
    runs = {n: _child(n, elements) for n in (least * 10**k for k in range(9)) if n <= most}
    rows = []
    for n, run in runs.items():
        rate = n / run["seconds"]
        rows.append(
            Row(f"stream of {n:,} candidates of the default mix through the gates", "1/s", rate, None, "", None)
        )
    largest = max(runs)
    memory = runs[largest]["peak_gib"]
    rows.append(
        Row(
            f"peak memory of streaming {largest:,}",
            "GiB",
            memory,
            None,
            "",
            None,
            f"< {MEMORY_LIMIT_GIB}",
            memory < MEMORY_LIMIT_GIB,
        )
    )
    smallest = min(runs)
    growth = (runs[largest]["seconds"] / largest) / (runs[smallest]["seconds"] / smallest)
    name = f"cost per candidate at {largest:,} over that at {smallest:,}"
    rows.append(Row(name, "", growth, None, "", None, f"<= {FLAT}", growth <= FLAT))
    return rows


def _child(count: int, n_elements: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.candidates_stream", str(count), str(n_elements)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run(count: int, n_elements: int) -> dict[str, float]:
    """Stream `count` candidates of the lightest elements; what passes is counted and dropped."""
    from gnome_lite.assemble import load_references, make_gate, make_mix
    from gnome_lite.chemistry.elements import CHGNET_MAX_Z, RADIOACTIVE
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.crystals import symbol

    elements = tuple(symbol(z) for z in range(1, CHGNET_MAX_Z + 1) if z not in RADIOACTIVE)[:n_elements]
    # The seed's crystals lie in 19 elements; all of the periodic table is more than a million candidates away.
    config = CampaignConfig.model_validate({"space": {"elements": elements}})
    references = load_references()
    gate, mix = make_gate(config), make_mix(config)
    ids = list(references.ids)
    started = time.process_time()
    made = passed = 0
    by_generator: dict[str, int] = {}
    for chunk in mix.stream(references.crystals, ids, 0, (0,)):
        made += len(chunk)
        by_generator[chunk.generators[0]] = by_generator.get(chunk.generators[0], 0) + len(chunk)
        passed += sum(not cause for cause in gate.causes(chunk.crystals))
        if made >= count:
            break
    seconds = time.process_time() - started
    if made < count:
        raise RuntimeError(f"the stream ended after {made} candidates")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"seconds": seconds, "peak_gib": peak, "passed": passed, **by_generator}


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
