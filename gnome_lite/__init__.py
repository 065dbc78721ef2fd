"""gnome_lite: a GNoME-style active-learning loop for stable inorganic crystals that anyone can run.

    import gnome_lite as gl

    gl.run(gl.CampaignConfig(name="oxides", rounds=2))
    gl.open_store().query(elements=("Li", "O"), e_above_hull_max=0.05).to_pandas()
    gl.predict(structures), gl.relax(structures), gl.hull("Li-Fe-O")

Public names are loaded on first use, so that `import gnome_lite` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gnome_lite.core.processors import choose_kernels

if TYPE_CHECKING:
    from gnome_lite.assemble import load_references, open_phases, open_store
    from gnome_lite.assemble.notebook import ask, hull, predict, relax, run, tell
    from gnome_lite.config import CampaignConfig
    from gnome_lite.core.crystals import Crystal, CrystalBatch
    from gnome_lite.core.phases import PhaseSet
    from gnome_lite.settings import Settings
    from gnome_lite.store.query import Query

__version__ = "0.2.0"

_PUBLIC = {
    "CampaignConfig": "config",
    "Crystal": "core.crystals",
    "CrystalBatch": "core.crystals",
    "PhaseSet": "core.phases",
    "Query": "store.query",
    "Settings": "settings",
    "ask": "assemble.notebook",
    "hull": "assemble.notebook",
    "load_references": "assemble",
    "open_phases": "assemble",
    "open_store": "assemble",
    "predict": "assemble.notebook",
    "relax": "assemble.notebook",
    "run": "assemble.notebook",
    "tell": "assemble.notebook",
}

__all__ = [
    "CampaignConfig", "Crystal", "CrystalBatch", "PhaseSet", "Query", "Settings", "__version__", "ask", "hull",
    "load_references", "open_phases", "open_store", "predict", "relax", "run", "tell",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"gnome_lite.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'gnome_lite' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """This package, on which `predict` is the public function.

    Importing the room of that name sets an attribute of the package, as every import of a submodule does; it must not
    replace the function. `from gnome_lite.predict import ...` finds the room all the same.
    """

    @property
    def predict(self) -> Any:
        return __getattr__("predict")

    @predict.setter
    def predict(self, room: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
choose_kernels()
