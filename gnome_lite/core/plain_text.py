"""Text that came from elsewhere, for a terminal, for a line of comment, and for the name of a file.

Formulas, names and messages come from stores, crystal files and servers that others wrote. A terminal obeys the control
characters in them: it can be made to rewrite what stands above, to hide text, or to copy to the clipboard.
"""

from __future__ import annotations

import re

LONGEST_NAME = 150
"""Characters of a file's name; file systems take 255 bytes, of which ids and suffixes need some."""


def printable(text: str) -> str:
    """Return text in one line, with all that does not print shown escaped: control, bidirectional, line ends."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def printable_lines(text: str) -> str:
    """Return text of several lines, each `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def file_name(text: str) -> str:
    """Return a name of safe characters alone: no path, no hidden file, nothing that a shell or terminal obeys.

    Formulas and levels of theory keep their own, parentheses and plus signs among them.
    """
    return re.sub(r"[^A-Za-z0-9._()+-]|^[.-]", "_", text)[:LONGEST_NAME] or "_"
