"""The manifest: data alone, checked whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gnome_lite.core.errors import ConfigError
from gnome_lite.verify.files.manifest import MANIFEST, Manifest, Member, read_manifest

ID, OTHER = "gl-0123456789abcdef", "gl-fedcba9876543210"


def manifest() -> Manifest:
    member = Member(folder=ID, id="mp-1265", role="competing phase", formula="MgO", content_hash=OTHER)
    return Manifest(
        version=1,
        written_by="gnome-lite",
        campaign="first",
        level="vasp-mp",
        theory="mp-GGA_GGA+U-MP2020",
        below="chgnet-0.3.0",
        hull="0875a788b1c4884a",
        settings={},
        members=(member,),
    )


def test_a_manifest_is_read_as_written(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(manifest().to_json())
    assert read_manifest(tmp_path) == manifest()


def set_member(name: str, value: str) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain["members"][0].update({name: value})


def twice(plain: dict[str, Any]) -> None:
    plain["members"].append(plain["members"][0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_member("folder", "../../etc"), ["members.0.folder"]),
        (set_member("folder", "/tmp/gl-0123456789abcdef"), ["members.0.folder"]),
        (set_member("folder", "gl-0123456789abcdef\n"), ["members.0.folder"]),
        (set_member("id", "../mp-1"), ["members.0.id", "parts of a path"]),
        (set_member("id", "a\x1b[31m"), ["members.0.id", "do not print"]),
        (set_member("id", ""), ["members.0.id"]),
        (set_member("role", "reference"), ["members.0.role"]),
        (set_member("run", "rm -rf"), ["members.0.run"]),
        (twice, ["names a folder twice"]),
        (lambda plain: plain.update(level="os:system"), ["level"]),
        (lambda plain: plain.update(version=2), ["version"]),
        (lambda plain: plain.update(settings={"command": "x"}), ["vasp-mp", "'command'"]),
        (lambda plain: plain.pop("members"), ["members"]),
    ],
)
def test_what_is_not_as_written_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    plain = json.loads(manifest().to_json())
    change(plain)
    (tmp_path / MANIFEST).write_text(json.dumps(plain))
    with pytest.raises(ConfigError) as caught:
        read_manifest(tmp_path)
    for word in words:
        assert word in str(caught.value)


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name a folder that `gnome-lite ask` wrote"):
        read_manifest(tmp_path)
    os.mkfifo(tmp_path / MANIFEST)
    with pytest.raises(ConfigError, match="it is no file but a pipe"):
        read_manifest(tmp_path)
    (tmp_path / MANIFEST).unlink()
    for content in (b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"version": NaN}'):
        (tmp_path / MANIFEST).write_bytes(content)
        with pytest.raises(ConfigError, match=r"manifest\.json"):
            read_manifest(tmp_path)
