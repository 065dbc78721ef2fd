"""Commands and options under the names they had in 0.1; to be deleted in the version after 0.2."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from gnome_lite.core.errors import OldNameWarning

COMMANDS = {("reverdict",): ("reevaluate",), ("benchmark", "universe"): ("benchmark", "pool")}
GROUPS = {"references": ("compute", ("add", "compute", "list", "info", "show", "remove", "-h", "--help"))}
"""Commands that have become groups: the one of the group that does what they did, and the words that mean a new one."""
OPTIONS = {
    ("benchmark", "replay"): ("--universe", "--pool"),
    ("query",): ("--known", "--no-novel"),
    ("export",): ("--known", "--no-novel"),
}


def with_current_commands(words: Sequence[str]) -> list[str]:
    """Return the words of a command line under today's names; an old one among them is told as a warning."""
    current = list(words)
    for old, new in COMMANDS.items():
        if tuple(current[: len(old)]) == old:
            current[: len(old)] = new
            _warn(" ".join(old), " ".join(new))
    group, word = (*current, "", "")[:2]
    if group in GROUPS and word and word not in GROUPS[group][1]:
        current[1:1] = [GROUPS[group][0]]
        _warn(group, " ".join(current[:2]))
    for command, (old_option, new_option) in OPTIONS.items():
        if tuple(current[: len(command)]) == command:
            for i, word in enumerate(current):
                if word.partition("=")[0] == old_option:
                    current[i] = word.replace(old_option, new_option, 1)
                    _warn(" ".join((*command, old_option)), " ".join((*command, new_option)))
    return current


def _warn(old: str, new: str) -> None:
    text = f"`gnome-lite {old}` is now `gnome-lite {new}`; the next version refuses the old name"
    warnings.warn(text, OldNameWarning, stacklevel=3)
