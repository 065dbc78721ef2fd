"""Materials Project through its own client, against a loopback server that speaks the real format, well and badly."""

from __future__ import annotations

import copy
import gzip
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from samples.groups import from_spacegroup
from soak import counted

from gnome_lite.core.errors import SourceError
from gnome_lite.settings import Settings
from gnome_lite.sources import materials_project
from gnome_lite.sources.materials_project import LEVEL, MaterialsProjectSource, subsystems

pytestmark = pytest.mark.filterwarnings("ignore")

KEY = "canary0123456789canary0123456789"
DATA = Path(os.environ.get("GNOME_LITE_BENCHMARK_DATA") or Path(__file__).parents[3] / "shared" / "data")


class Server(ThreadingHTTPServer):
    """Serves thermo documents as the real API does; `fault` says what goes wrong with the documents' address.

    With `at` only the call of that number goes wrong, whatever it asks for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.documents: list[dict[str, Any]] = []
        self.fault = ""
        self.calls, self.at = 0, 0
        self.asked: list[dict[str, str]] = []

    @property
    def settings(self) -> Settings:
        return Settings(mp_api_key=KEY, mp_api_endpoint=f"http://127.0.0.1:{self.server_port}/")


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        asked = {k: v[0] for k, v in parse_qs(address.query).items()}
        self.server.calls += 1
        fault = self.server.fault if self.server.at in (0, self.server.calls) else ""
        if fault == "slow":
            time.sleep(2)
        if fault == "reset":  # what is closed without a wait is reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if address.path == "/heartbeat":
            if self.server.at and fault.isdigit():
                self.answer(int(fault), {"detail": "refused"})
                return
            if fault == "heartbeat 503":
                self.answer(503, {"message": "no server"})
                return
            beat = {"status": "OK", "version": "0.87.3", "db_version": "2026.9.1", "access_controlled_batch_ids": []}
            self.answer(200, beat)
            return
        assert address.path == "/materials/thermo/"
        self.server.asked.append(asked)
        if self.headers["x-api-key"] != KEY or fault == "401":
            self.answer(401, {"detail": f"no access with key {self.headers['x-api-key']}"})
        elif fault in ("403", "500", "429"):
            self.answer(int(fault), {"detail": f"refused {self.headers['x-api-key']}"})
        else:
            self.answer(200, self.page(asked, fault), cut=fault == "truncated", zipped=fault == "cut gzip")

    def page(self, asked: dict[str, str], fault: str) -> Any:
        systems, kinds = asked["chemsys"].split(","), asked["thermo_types"].split(",")
        found = [d for d in self.server.documents if d["chemsys"] in systems and d["thermo_type"] in kinds]
        if fault == "wrong type":
            found = [d | {"thermo_type": "GGA_GGA+U_R2SCAN"} for d in found]
        skip = 0 if fault == "repeated page" else int(asked.get("_skip", 0))
        limit = int(asked.get("_limit", 100))
        total = len(found)
        found = found[skip : skip + limit]
        if fault == "short" and limit > 1:
            found = found[:-1]
        if fault == "empty second page" and skip:
            found = []
        fields = asked.get("_fields", "material_id").split(",")
        if fault == "wrong json":
            return ["nothing"]
        if fault == "for people":
            return "<html>back soon</html>"
        return {"data": [{f: d.get(f) for f in fields} for d in found], "meta": {"total_doc": total}}

    def answer(self, code: int, body: Any, cut: bool = False, zipped: bool = False) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        if zipped:  # whole as HTTP has it, cut as gzip has it
            content = gzip.compress(content)[:-20]
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content) // 2 if cut else len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def thermo_documents(entries: list[Any], thermo_type: str = "GGA_GGA+U") -> list[dict[str, Any]]:
    """Documents as the server's own models make and write them."""
    from emmet.core.thermo import ThermoDoc

    documents = ThermoDoc.from_entries(entries, thermo_type, deprecated=False)
    return [d.model_dump(mode="json") | {"thermo_type": thermo_type} for d in documents]


@pytest.fixture(scope="module")
def canned() -> list[dict[str, Any]]:
    """A small Li-O system (energies near MP's), and the same at another thermo type, 1 eV/atom lower."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.entries.computed_entries import ComputedStructureEntry, ConstantEnergyAdjustment

    li = Structure(Lattice.cubic(3.44), ["Li", "Li"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    o2 = Structure(Lattice.tetragonal(3.4, 5.0), ["O", "O"], [[0, 0, -0.123], [0, 0, 0.123]])
    li2o = from_spacegroup("Fm-3m", Lattice.cubic(4.62), ["Li", "O"], [[0.25] * 3, [0] * 3])

    def entries(shift: float) -> list[Any]:
        made = []
        for i, (structure, energy, correction) in enumerate(
            [(li, -1.909, 0.0), (o2, -4.947, 0.0), (li2o, -4.54, -0.229)]
        ):
            adjustments = [ConstantEnergyAdjustment(correction * len(structure))] if correction else []
            data = {"material_id": f"mp-{i + 1}", "task_id": f"mp-{i + 11}", "run_type": "GGA"}
            data |= {"last_updated": "2024-01-01T00:00:00", "oxidation_states": {}}
            total = (energy + shift) * len(structure)
            made.append(
                ComputedStructureEntry(
                    structure, total, energy_adjustments=adjustments, data=data, entry_id=f"mp-{i + 1}-GGA"
                )
            )
        return made

    return thermo_documents(entries(0.0)) + thermo_documents(entries(-1.0), "GGA_GGA+U_R2SCAN")


def test_a_whole_system_at_one_level(server: Server, canned: list[dict[str, Any]]) -> None:
    server.documents = canned
    source = MaterialsProjectSource(["O-Li"], server.settings)
    references = source.load()
    assert references.level == LEVEL
    assert len(references) == 3
    assert references.elemental_ev_per_atom == pytest.approx({"Li": -1.909, "O": -4.947}, abs=1e-9)
    oxide = next(e for e in references if e.crystal.reduced_formula == "Li2O")
    assert oxide.energy_ev_per_atom == pytest.approx(-4.54 - 0.229, abs=1e-9)
    assert (oxide.source, oxide.licence) == ("Materials Project", "CC BY 4.0")
    assert {asked["chemsys"] for asked in server.asked} == {"Li,O,Li-O"}
    assert {asked["thermo_types"] for asked in server.asked} == {"GGA_GGA+U"}


def test_more_than_a_page(server: Server, canned: list[dict[str, Any]]) -> None:
    oxide = next(d for d in canned if d["chemsys"] == "Li-O")
    server.documents = canned + [oxide | {"material_id": f"mp-{i}"} for i in range(1000, 2100)]
    assert len(MaterialsProjectSource(["Li-O"], server.settings).load()) == 1103
    assert [asked.get("_skip") for asked in server.asked] == [None, "1000", None]


@pytest.mark.parametrize("include", [False, True])
def test_gnome_only_where_asked_for(server: Server, canned: list[dict[str, Any]], include: bool) -> None:
    server.documents = copy.deepcopy(canned)
    oxide = next(d for d in server.documents if d["chemsys"] == "Li-O")
    oxide["builder_meta"]["license"] = "BY-NC"
    source = MaterialsProjectSource(["Li-O"], server.settings, include_gnome=include)
    licences = {e.licence for e in source.load()}
    assert licences == ({"CC BY 4.0", "CC BY-NC 4.0"} if include else {"CC BY 4.0"})


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("401", "refuses the key"),
        ("403", "refuses the key"),
        ("429", "too many requests"),
        ("500", "status code 500"),
        ("heartbeat 503", "no usable answer"),
        ("slow", "does not answer in time"),
        ("truncated", "cut off"),
        ("wrong json", "no usable answer"),
        ("wrong type", "thermo type GGA_GGA"),
        ("short", "documents arrived"),
        ("repeated page", "documents arrived"),
        ("empty second page", "documents arrived"),
    ],
)
def test_every_failure_is_one_line_without_the_key(
    server: Server, canned: list[dict[str, Any]], fault: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.documents, server.fault = canned, fault
    if fault == "slow":
        monkeypatch.setattr(materials_project, "TIMEOUT_S", 0.3)
    if "page" in fault:
        oxide = next(d for d in canned if d["chemsys"] == "Li-O")
        server.documents = canned + [oxide | {"material_id": f"mp-{i}"} for i in range(1000, 2100)]
    source = MaterialsProjectSource(["Li-O"], server.settings)
    with pytest.raises(SourceError, match=why) as raised:
        source.load()
    assert "\n" not in str(raised.value)
    assert KEY not in repr(raised.value)
    assert raised.value.__cause__ is None or KEY not in repr(raised.value.__cause__)
    assert KEY not in repr(vars(source))


def test_no_server_at_all(canned: list[dict[str, Any]]) -> None:
    with Server() as gone:
        settings = gone.settings
    with pytest.raises(SourceError, match="cannot be reached"):
        MaterialsProjectSource(["Li-O"], settings).load()


FAULTS = (
    "401", "403", "429", "500", "503", "slow", "reset", "truncated", "cut gzip", "wrong json", "for people", "short",
)  # fmt: skip
CALLS = 6
"""What one load of two pages asks for."""


@counted(6, len(FAULTS) * CALLS, "faults")
def test_a_loss_at_any_call_gives_everything_or_nothing(
    server: Server, canned: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, trials: range
) -> None:
    """Promise 10: twelve faults of the network at each call of a load: an error, or all that there is."""
    monkeypatch.setattr(materials_project, "TIMEOUT_S", 0.5)
    oxide = next(d for d in canned if d["chemsys"] == "Li-O")
    server.documents = canned + [oxide | {"material_id": f"mp-{i}"} for i in range(1000, 2100)]
    MaterialsProjectSource(["Li-O"], server.settings).load()
    assert server.calls == CALLS
    each = [(fault, (i + j) % CALLS + 1) for j in range(CALLS) for i, fault in enumerate(FAULTS)]
    for fault, call in each[trials.start : trials.stop]:
        server.fault, server.calls, server.at = fault, 0, call
        said, found = "", 1103
        try:
            found = len(MaterialsProjectSource(["Li-O"], server.settings).load())
        except SourceError as error:
            said = str(error)
        # All of it also where the client has asked again, or does not use what was asked for.
        assert found == 1103, (fault, call)
        assert "\n" not in said
        assert KEY not in said


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"energy_per_atom": -9.0}, "states -9.0 eV/atom"),
        ({"energy_per_atom": None}, "cannot be read"),
        ({"entries": {}}, "cannot be read"),
        ({"entries": {"GGA": {"energy": 1.0}}}, "cannot be read"),
        ({"builder_meta": {"license": "secret"}}, "cannot be read"),
    ],
)
def test_documents_that_are_not_understood(
    server: Server, canned: list[dict[str, Any]], change: dict[str, Any], why: str
) -> None:
    server.documents = [canned[0] | change, *canned[1:]]
    with pytest.raises(SourceError, match=why):
        MaterialsProjectSource(["Li-O"], server.settings).load()


def test_elements_must_come_too(server: Server, canned: list[dict[str, Any]]) -> None:
    server.documents = [d for d in canned if d["chemsys"] != "O"]
    with pytest.raises(SourceError, match="no elemental phase of O"):
        MaterialsProjectSource(["Li-O"], server.settings).load()


def test_what_is_refused_before_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(mp_api_key=KEY)
    for system, why in [
        ("-", "empty chemical system"),
        ("Li-Xy", "no element 'Xy'"),
        ("-".join("HBCNOFPSKV"), "takes 9"),
    ]:
        with pytest.raises(SourceError, match=why):
            MaterialsProjectSource([system], settings)
    monkeypatch.delenv("MP_API_KEY", raising=False)
    with pytest.raises(SourceError, match="no Materials Project key"):
        MaterialsProjectSource(["Li-O"], Settings()).load()
    with pytest.raises(SourceError, match="5 characters"):
        MaterialsProjectSource(["Li-O"], Settings(mp_api_key="short")).load()
    with pytest.raises(SourceError, match="travel in the open"):
        MaterialsProjectSource(["Li-O"], Settings(mp_api_key=KEY, mp_api_endpoint="http://elsewhere.invalid/")).load()


def test_subsystems() -> None:
    assert list(subsystems("O-Li-Fe")) == ["Fe", "Li", "O", "Fe-Li", "Fe-O", "Li-O", "Fe-Li-O"]


@pytest.mark.slow
def test_real_documents(server: Server) -> None:
    """Li-Fe-O as Materials Project has it: all entries, energies with their corrections, the known hull."""
    path = DATA / "mp_docs_Li-Fe-O.json.gz"
    if not path.is_file():
        pytest.skip("benchmark data are absent")
    from pymatgen.analysis.phase_diagram import PhaseDiagram
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    entries = [ComputedStructureEntry.from_dict(d) for d in json.loads(gzip.decompress(path.read_bytes()))]
    server.documents = thermo_documents(entries)
    references = MaterialsProjectSource(["Li-Fe-O"], server.settings).load()
    assert len(references) == len({e.data["material_id"] for e in entries})
    ours = np.sort(references.energies_ev / references.crystals.n_atoms)
    assert np.allclose(ours, np.sort([e.energy_per_atom for e in entries]), atol=1e-9)
    diagram = PhaseDiagram(entries)
    for element, reference in diagram.el_refs.items():
        assert references.elemental_ev_per_atom[element.symbol] == pytest.approx(reference.energy_per_atom, abs=1e-9)
