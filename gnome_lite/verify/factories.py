"""Calculators of other packages, by name: locate their weights, build them, tell which elements they know.

This file imports nothing of gnome_lite and nothing at its top but the standard library: `external/child.py` loads it by
its path into the interpreter that has the package (Debian's own Python has GPAW, another environment MACE), where
gnome_lite need not be installed. Each package is called as its documentation says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

Made = tuple[Any, frozenset[int] | None]
"""An ASE calculator, and the atomic numbers it knows (None: it raises by itself)."""


class Package(NamedTuple):
    """One calculator.

    Attributes:
        distribution: what pip or apt installs.
        module: what it is imported as.
        label: keyword arguments -> settings that are part of the level's name, e.g. "PBE-PW400".
        files: keyword arguments -> the files that fix its energies; fetches them where they are missing.
        make: keyword arguments -> the calculator.
    """

    distribution: str
    module: str
    label: Callable[..., str]
    files: Callable[..., Iterable[Path]]
    make: Callable[..., Made]


def describe(name: str, kwargs: dict[str, Any]) -> str:
    """Return the level of theory: name, version, settings, and the start of the SHA-256 of the files that fix it."""
    package = PACKAGES[name]
    digest = sha256()
    for file in sorted(package.files(**kwargs), key=lambda path: path.name):
        digest.update(file.name.encode() if len(file.suffixes) > 1 else b"")
        digest.update(sha256(file.read_bytes()).digest())
    label = package.label(**kwargs)
    parts = (name, version(package.distribution), *([label] if label else []), digest.hexdigest()[:8])
    return "-".join(parts)


# GPAW: J. J. Mortensen et al., J. Chem. Phys. 160, 092503 (2024). Its PAW datasets are the package gpaw-data.

MAGNETIC = frozenset({23, 24, 25, 26, 27, 28, *range(58, 71)})
"""V to Ni and the lanthanides with open 4f shells: these get an initial spin, and O in the pure element."""


def _gpaw_label(xc: str = "PBE", ecut_ev: float = 800.0, kpoint_density: float = 3.5, **_: Any) -> str:
    return f"{xc}-PW{ecut_ev:g}-K{kpoint_density:g}"


def _gpaw_files(xc: str = "PBE", **_: Any) -> list[Path]:
    from gpaw import setup_paths

    return [file for folder in setup_paths for file in Path(folder).glob(f"*.{xc}.gz")]


def _gpaw(
    xc: str = "PBE",
    ecut_ev: float = 800.0,
    kpoint_density: float = 3.5,
    smearing_ev: float = 0.05,
    spin: bool = True,
    max_iterations: int = 200,
) -> tuple[Any, frozenset[int]]:
    """Return GPAW with plane waves up to `ecut_ev`, `kpoint_density` k-points per 1/Å around Γ, Fermi-Dirac smearing.

    Stresses need more plane waves than energies do: 600 eV are too few for the cell of MgO.
    """
    from ase.calculators.calculator import Calculator, all_changes, kpts2sizeandoffsets
    from ase.data import atomic_numbers
    from gpaw import GPAW, PW, FermiDirac

    settings = {
        "mode": PW(ecut_ev),
        "xc": xc,
        "occupations": FermiDirac(smearing_ev),
        "maxiter": max_iterations,
        # Bohr. A crystal relaxed in single precision keeps its symmetry to some 1e-5: GPAW's own 1e-7 misses it, and
        # three times as many k-points are computed.
        "symmetry": {"point_group": True, "tolerance": 1e-3},
        "txt": None,
    }

    class FreshGPAW(Calculator):
        """A new GPAW for each crystal: no density of the crystal before is used, and magnetic elements have spins.

        The number of k-points is that of the first crystal of a relaxation. Counted anew for each cell it would change
        on the way (Si between 5.40 and 5.47 Å), and with it the energy, by more than a step gains.
        """

        def __init__(self) -> None:
            self.implemented_properties = ["energy", "forces", "stress"]
            self.grid: Any = None
            super().__init__()

        def begin(self) -> None:
            self.grid = None

        def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes) -> None:
            super().calculate(atoms, list(properties), list(system_changes))
            crystal = atoms.copy()
            if self.grid is None:
                self.grid, _ = kpts2sizeandoffsets(density=kpoint_density, gamma=True, atoms=crystal)
            if spin:
                alone = set(crystal.numbers) == {8}
                crystal.set_initial_magnetic_moments(
                    [3.0 if z in MAGNETIC else 1.0 if alone else 0.0 for z in crystal.numbers]
                )
            crystal.calc = GPAW(**settings, kpts={"size": self.grid, "gamma": True})
            self.results = {
                "energy": crystal.get_potential_energy(),
                "forces": crystal.get_forces(),
                "stress": crystal.get_stress(),
            }

    known = frozenset(
        atomic_numbers[symbol]
        for file in _gpaw_files(xc)
        if (symbol := file.name.split(".")[0]) in atomic_numbers and file.name == f"{symbol}.{xc}.gz"
    )
    return FreshGPAW(), known


# Machine-learned potentials. `checkpoint` is a file, or a name that the package knows and may fetch.


def _label(key: str, default: str, *further: str) -> Callable[..., str]:
    """Return what names a potential in its level: its checkpoint, unless that is a file, and its head."""

    def label(**kwargs: Any) -> str:
        names = [str(kwargs.get(key) or default), *(str(kwargs.get(name, "")) for name in further)]
        return "-".join(name for name in names if name and not Path(name).is_file())

    return label


def _mace_files(checkpoint: str = "medium-mpa-0", **_: Any) -> list[Path]:
    from mace.calculators.foundations_models import download_mace_mp_checkpoint

    return [local_file(checkpoint) or Path(download_mace_mp_checkpoint(checkpoint))]


def _mace(checkpoint: str = "medium-mpa-0", device: str = "cpu", dtype: str = "float64") -> Made:
    from mace.calculators import MACECalculator

    (path,) = _mace_files(checkpoint)
    made = MACECalculator(model_paths=str(path), device=device, default_dtype=dtype)
    return made, frozenset(int(z) for z in made.z_table.zs)


def _orb_files(checkpoint: str = "", model: str = "orb-v3-conservative-inf-omat", **_: Any) -> list[Path]:
    from inspect import signature

    from cached_path import cached_path
    from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

    address = signature(ORB_PRETRAINED_MODELS[model]).parameters["weights_path"].default
    return [local_file(checkpoint) or Path(cached_path(address))]


def _orb(
    checkpoint: str = "",
    model: str = "orb-v3-conservative-inf-omat",
    device: str = "cpu",
    precision: str = "float32-highest",
) -> Made:
    from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS

    try:
        from orb_models.forcefield.inference.calculator import ORBCalculator
    except ImportError:  # before 0.6, the last for Python 3.11
        from orb_models.forcefield.calculator import ORBCalculator

    (path,) = _orb_files(checkpoint, model)
    # Compiling takes minutes on a processor, in each worker anew.
    loaded = ORB_PRETRAINED_MODELS[model](
        weights_path=str(path), device=device, precision=precision, compile=device != "cpu"
    )
    # Since 0.6 a pair: the network, and what makes its graphs.
    return ORBCalculator(*(loaded if isinstance(loaded, tuple) else (loaded,)), device=device), None


def _sevennet_files(checkpoint: str = "7net-0", **_: Any) -> list[Path]:
    from sevenn.util import pretrained_name_to_path

    return [local_file(checkpoint) or Path(pretrained_name_to_path(checkpoint))]


def _sevennet(checkpoint: str = "7net-0", device: str = "cpu", modal: str = "") -> Made:
    from sevenn.calculator import SevenNetCalculator

    (path,) = _sevennet_files(checkpoint)
    made = SevenNetCalculator(model=str(path), device=device, modal=modal or None)
    _neighbour("sevennet_convolution").fuse(made.model)
    return made, frozenset(int(z) for z in made.type_map)


def _mattersim_files(checkpoint: str = "mattersim-v1.0.0-1M", **_: Any) -> list[Path]:
    from mattersim.utils.download_utils import download_checkpoint

    if path := local_file(checkpoint):
        return [path]
    # Where the package itself looks for it and puts it.
    path = Path("~/.local/mattersim/pretrained_models").expanduser() / f"{checkpoint.removesuffix('.pth')}.pth"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        download_checkpoint(path.name, save_folder=str(path.parent))
    return [path]


def _mattersim(checkpoint: str = "mattersim-v1.0.0-1M", device: str = "cpu") -> Made:
    from mattersim.forcefield.potential import MatterSimCalculator, Potential

    (path,) = _mattersim_files(checkpoint)
    potential = Potential.from_checkpoint(str(path), device=device, load_training_state=False)
    return MatterSimCalculator(potential=potential, device=device), frozenset(range(1, 95))


def _matgl_files(checkpoint: str = "TensorNet-PES-MatPES-PBE-2025.2", **_: Any) -> list[Path]:
    return sorted(file for file in _matgl_folder(checkpoint).iterdir() if file.is_file())


def _matgl_folder(checkpoint: str) -> Path:
    if Path(checkpoint).is_dir():
        return Path(checkpoint)
    from huggingface_hub import snapshot_download

    name = checkpoint if "/" in checkpoint else f"materialyze/{checkpoint}"
    return Path(snapshot_download(name, allow_patterns=["model.json", "model.pt", "state.pt"]))


def _matgl(checkpoint: str = "TensorNet-PES-MatPES-PBE-2025.2", device: str = "cpu") -> Made:
    import matgl
    from ase.data import atomic_numbers
    from matgl.ext.ase import PESCalculator

    potential = matgl.load_model(_matgl_folder(checkpoint)).to(device)
    known = frozenset(atomic_numbers[symbol] for symbol in potential.model.element_types)
    return PESCalculator(potential, stress_unit="eV/A3", use_voigt=True), known


def _neighbour(name: str) -> Any:
    """Return the module beside this file, also where gnome_lite is not installed."""
    path = Path(__file__).with_name(f"{name}.py")
    module = ModuleType(name)
    exec(compile(path.read_bytes(), path, "exec"), module.__dict__)
    return module


def local_file(checkpoint: str) -> Path | None:
    """Return the checkpoint as a file, where it is one and not a name."""
    if "/" in checkpoint and not Path(checkpoint).exists():
        raise FileNotFoundError(f"there is no checkpoint {checkpoint}")
    return Path(checkpoint) if checkpoint and Path(checkpoint).is_file() else None


PACKAGES = {
    "gpaw": Package("gpaw", "gpaw", _gpaw_label, _gpaw_files, _gpaw),
    "mace": Package("mace-torch", "mace", _label("checkpoint", "medium-mpa-0"), _mace_files, _mace),
    "orb": Package("orb-models", "orb_models", _label("model", "orb-v3-conservative-inf-omat"), _orb_files, _orb),
    "sevennet": Package("sevenn", "sevenn", _label("checkpoint", "7net-0", "modal"), _sevennet_files, _sevennet),
    "mattersim": Package(
        "mattersim", "mattersim", _label("checkpoint", "mattersim-v1.0.0-1M"), _mattersim_files, _mattersim
    ),
    "matgl": Package("matgl", "matgl", _label("checkpoint", "TensorNet-PES-MatPES-PBE-2025.2"), _matgl_files, _matgl),
}
