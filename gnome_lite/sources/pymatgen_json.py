"""Reader of pymatgen's JSON by our own schema, never through a decoder that imports whatever module a file names."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn, SupportsFloat

from gnome_lite.core.crystals import Crystal, atomic_number


class Found(NamedTuple):
    """A crystal of a file, with the energy of its cell (eV, None = not given) and that energy's level ("" likewise)."""

    name: str
    crystal: Crystal
    energy_ev: float | None = None
    level: str = ""


class BadFileError(ValueError):
    """Error that says what is wrong with a file, in words its owner understands."""


def read_pymatgen_json(content: bytes, stem: str) -> Iterator[Found]:
    """Yield crystals of `Structure.as_dict()` or entries {structure, energy, correction}: one, a list or a dict."""

    def refuse(constant: str) -> NoReturn:
        raise BadFileError(f"holds {constant}, which is no number of a crystal")

    document = json.loads(as_text(content), parse_constant=refuse)
    _check_keys(document)
    if isinstance(document, dict) and not {"lattice", "structure"} & set(document):
        named = [(str(k), v) for k, v in document.items() if not k.startswith("@")]
    else:
        many = document if isinstance(document, list) else [document]
        named = [(numbered(stem, i, len(many)), v) for i, v in enumerate(many)]
    for name, record in named:
        if not isinstance(record, dict):
            raise BadFileError(f"{name} is no structure: expected Structure.as_dict() or an entry with a structure")
        label = next((str(record[k]) for k in ("entry_id", "material_id") if record.get(k)), name)
        energy = finite_energy(record.get("energy"))
        if energy is not None:
            energy += finite_energy(record.get("correction")) or 0.0
        yield Found(label, structure_from_dict(record.get("structure", record), label), energy)


def _check_keys(value: Any) -> None:
    for key in value if isinstance(value, dict) else ():
        if key.startswith("@") and key not in ("@module", "@class", "@version"):
            raise BadFileError(f"holds the key {key[:40]!r}, which is not part of a structure")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_keys(inner)


def structure_from_dict(record: Any, name: str) -> Crystal:
    """Return the crystal of `Structure.as_dict()`; raises BadFileError if it is none or disordered."""
    try:
        numbers = []
        for site in record["sites"]:
            (species,) = site["species"]
            if float(species.get("occu", 1)) != 1.0:
                raise BadFileError(f"{name} is disordered (partial occupancies): order it first")
            numbers.append(element_number(species["element"]))
        return Crystal.make(numbers, [site["abc"] for site in record["sites"]], record["lattice"]["matrix"])
    except BadFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise BadFileError(
            f"{name} is no ordered structure ({type(error).__name__}: {error}): "
            "expected lattice.matrix and sites with species and abc"
        ) from error


def element_number(text: str) -> int:
    """Return the atomic number of "Fe", or of "Fe2+" as pymatgen writes a species."""
    match = re.fullmatch(r"([A-Z][a-z]?)(?:\d*\.?\d*[+-])?", text)
    if match is None:
        raise BadFileError(f"names an element {text[:20]!r} that does not exist")
    return atomic_number(match[1])


def finite_energy(value: Any) -> float | None:
    """Return an energy as a number, None where there is none; raises BadFileError if it is not finite."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, SupportsFloat) or not math.isfinite(float(value)):
        raise BadFileError(f"has an energy that is no finite number ({str(value)[:20]})")
    return float(value)


def numbered(stem: str, index: int, n: int) -> str:
    """Return the name of one of n crystals of a file."""
    return stem if n == 1 else f"{stem}-{index + 1}"


def as_text(content: bytes) -> str:
    """Return a file's bytes as text."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # Degree signs and authors' names of older CIFs; numbers and symbols are ASCII either way.
        return content.decode("latin-1")
