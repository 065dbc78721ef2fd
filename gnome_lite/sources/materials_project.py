"""Materials Project: all phases of chemical systems, elements included, at its GGA/GGA+U level (MP2020-corrected).

The thermo type is named explicitly and checked in what comes back: the client's default is the r2SCAN-mixed hull,
whose stored corrections do not share one energy scale across systems. Every failure is a `SourceError`: a hull made
from part of an answer would call unstable crystals stable.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

from gnome_lite.core.crystals import atomic_number
from gnome_lite.core.errors import SourceError
from gnome_lite.core.phases import PhaseSet
from gnome_lite.core.records import Phase
from gnome_lite.settings import Settings
from gnome_lite.sources.pymatgen_json import BadFileError, structure_from_dict

LEVEL = "mp-GGA_GGA+U-MP2020"
"""Near the scale CHGNet was trained on, but not its level: for a CHGNet campaign relax the crystals with CHGNet."""

THERMO_TYPE = "GGA_GGA+U"
FIELDS = ["material_id", "thermo_type", "energy_type", "energy_per_atom", "builder_meta", "entries"]
LICENCES = {"BY-C": "CC BY 4.0", "BY-NC": "CC BY-NC 4.0", None: "CC BY 4.0"}
"""By the code of a document. Without a code it falls under the database's own licence."""

MAX_ELEMENTS = 9
"""2^9 - 1 subsystems are what the address of one query holds."""
TIMEOUT_S = 20.0
ENERGY_TOLERANCE_EV_PER_ATOM = 1e-3


class MaterialsProjectSource:
    """Phases of some chemical systems and of all their subsystems; GNoME's (CC BY-NC) where they are asked for."""

    def __init__(self, chemical_systems: Sequence[str], settings: Settings, include_gnome: bool = False) -> None:
        for system in chemical_systems:
            elements = {e for e in system.split("-") if e}
            if not elements:
                raise SourceError("an empty chemical system was asked of Materials Project: write e.g. 'Li-Fe-O'")
            if len(elements) > MAX_ELEMENTS:
                raise SourceError(f"{system} has {len(elements)} elements, Materials Project takes {MAX_ELEMENTS}")
            try:
                _ = [atomic_number(element) for element in elements]
            except ValueError as error:
                raise SourceError(f"Materials Project: {error}") from error
        self._systems = tuple(dict.fromkeys("-".join(sorted(set(s.split("-")))) for s in chemical_systems))
        self._settings = settings
        self._include_gnome = include_gnome

    def load(self) -> PhaseSet:
        """Fetch every system.

        Raises:
            SourceError: without a key, on any failure of the network or the server, and if what came
                back is incomplete, of another level or not a crystal.
        """
        entries = [_entry(document) for system in self._systems for document in self._fetch(system)]
        kept = {entry.id: entry for entry in entries if self._include_gnome or "NC" not in entry.licence}
        references = PhaseSet.make(list(kept.values()))
        needed = {element for system in self._systems for element in system.split("-")}
        missing = sorted(needed - set(references.elemental_ev_per_atom))
        if missing:
            raise SourceError(
                f"Materials Project gave no elemental phase of {', '.join(missing)}: ask for systems without it"
            )
        return references

    def _fetch(self, system: str) -> list[dict[str, Any]]:
        """Return all thermo documents of a system and its subsystems: as many as the server counts, each once."""
        key = self._settings.require_mp_key().get_secret_value()
        endpoint = self._settings.mp_api_endpoint
        _check_endpoint(endpoint)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                documents, total = _ask(key, endpoint, list(subsystems(system)))
            # The client raises its own errors, requests', JSON's and plain KeyErrors on answers it does not
            # expect. "from None": a chained error may carry the request with its headers, the key among them.
            except Exception as error:
                raise SourceError(f"Materials Project, {system}: {_explain(error, key)}") from None
        documents = [d if isinstance(d, dict) else {} for d in documents]
        distinct = len({str(d.get("material_id")) for d in documents})
        if not distinct == len(documents) == total:
            raise SourceError(
                f"Materials Project, {system}: {distinct} of {total} documents arrived: try again, nothing was kept"
            )
        return documents


def _ask(key: str, endpoint: str | None, systems: list[str]) -> tuple[list[Any], int]:
    """Return the documents and how many the server says there are."""
    import requests
    from mp_api.client import MPRester
    from mp_api.client.core.settings import MAPI_CLIENT_SETTINGS

    # The client's own heartbeat has no time limit: a server that never answers would hang it for good.
    base = (endpoint or MAPI_CLIENT_SETTINGS.ENDPOINT).rstrip("/") + "/"
    requests.get(base + "heartbeat", timeout=TIMEOUT_S).raise_for_status()
    with MPRester(key, endpoint=base, use_document_model=False, mute_progress_bars=True) as client:
        thermo = client.materials.thermo
        documents = thermo.search(chemsys=systems, thermo_types=[THERMO_TYPE], all_fields=False, fields=FIELDS)
        total = thermo.count(
            {"chemsys": ",".join(systems), "thermo_types": THERMO_TYPE, "_limit": 1, "_fields": "material_id"}
        )
        return list(documents), int(total)


def _entry(document: Mapping[str, Any]) -> Phase:
    """Return one document as a reference entry, its energy checked against the document's own.

    Raises:
        SourceError: if it is of another thermo type or cannot be read.
    """
    name = str(document.get("material_id"))
    if document.get("thermo_type") != THERMO_TYPE:
        raise SourceError(
            f"Materials Project's {name} is of thermo type {document.get('thermo_type')}, not {THERMO_TYPE}: "
            "its energies would not share one scale"
        )
    try:
        entries = document["entries"]
        entry = entries[document["energy_type"]] if len(entries) > 1 else next(iter(entries.values()))
        crystal = structure_from_dict(entry["structure"], name)
        energy_ev = float(entry["energy"]) + float(entry.get("correction") or 0.0)
        differs = abs(energy_ev / len(crystal) - float(document["energy_per_atom"]))
        meta = document.get("builder_meta") or {}
        licence = LICENCES[meta.get("license")]
        if "gnome" in str(meta.get("batch_id") or "").lower():
            licence = LICENCES["BY-NC"]
    except (AttributeError, BadFileError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise SourceError(
            f"Materials Project's {name} cannot be read ({type(error).__name__}: {str(error)[:100]}): "
            "gnome_lite and the server disagree on the format, update mp-api"
        ) from error
    if not differs < ENERGY_TOLERANCE_EV_PER_ATOM:
        raise SourceError(
            f"Materials Project's {name} states {document['energy_per_atom']} eV/atom but its entry "
            f"{energy_ev / len(crystal):.4f}: its corrections are not understood, update mp-api"
        )
    return Phase(name, crystal, energy_ev, LEVEL, "Materials Project", licence)


def _explain(error: Exception, key: str) -> str:
    """Return one line of what went wrong and what to do, without the key."""
    said = " ".join(str(error).replace(key, "***").split())[:300]
    for sign, meaning in _SIGNS.items():
        if re.search(sign, f"{type(error).__name__} {said}", re.IGNORECASE):
            return meaning
    return f"no usable answer ({type(error).__name__}: {said}): try again later"


_SIGNS = {
    r"status code 40[13]\b|\b40[13] client error": "the server refuses the key: check MP_API_KEY on the MP dashboard",
    r"status code 429\b|\b429 client error|too many 429": "too many requests: wait a minute and try again",
    r"timed out|timeout": "the server does not answer in time: try again later",
    r"ChunkedEncodingError|IncompleteRead|JSONDecodeError|not a str": "the answer is cut off or not JSON: try again",
    r"ConnectionError|max retries": "the server cannot be reached: check the network and MP_API_ENDPOINT",
}
"""What the client's, requests' and JSON's own words mean for its user."""


def _check_endpoint(endpoint: str | None) -> None:
    """Refuse an endpoint to which the key would go unencrypted, unless it is this machine."""
    parts = urlsplit(endpoint or "https:")
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise SourceError("MP_API_ENDPOINT is not an https address: your key would travel in the open")


def subsystems(system: str) -> Iterator[str]:
    """Yield a chemical system and all systems of fewer of its elements, smallest first."""
    elements = sorted(set(system.split("-")))
    for n in range(1, len(elements) + 1):
        yield from ("-".join(c) for c in combinations(elements, n))
