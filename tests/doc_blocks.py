"""The code blocks of the README and of the documentation, and what their shell lines say."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCED = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w/]+\.(?:py|yaml))\b")
LAUNCHERS = {"accelerate", "torchrun", "nice", "srun", "nohup", "timeout"}
"""Programs that start another one, the project's behind `-m` or by its name."""


class Block(NamedTuple):
    """A fenced block."""

    page: str
    """The file's name without its suffix."""
    number: int
    """Among the page's blocks of its language."""
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that the block is, by its first line."""
        found = FILE.match(self.text)
        return found[1] if found else None

    @property
    def name(self) -> str:
        return f"{self.page}-{self.language}-{self.number}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in these languages; in any, if none is named."""
    found: list[Block] = []
    for page in PAGES:
        seen: dict[str, int] = {}
        for _, language, text in FENCED.findall(page.read_text(encoding="utf-8")):
            number = seen.setdefault(language, 0)
            seen[language] += 1
            block = Block(page.stem, number, language, textwrap.dedent(text))
            found += [block] if not languages or language in languages else []
    return found


def files_of(page: str) -> dict[str, str]:
    """The blocks of a page that are files, by name."""
    return {block.file: block.text for block in blocks() if block.page == page and block.file}


def write_files(page: str, place: Path) -> None:
    """Writes the page's blocks that are files."""
    for name, text in files_of(page).items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command of a shell block, without settings of variables before it."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for part in _split(words):
            while part and re.fullmatch(r"\w+=.*", part[0]):
                part = part[1:]
            if part:
                yield part


def _split(words: list[str]) -> Iterator[list[str]]:
    """The parts between `&&`, `|` and the like; what goes to a file is left out."""
    part: list[str] = []
    skip = False
    for word in words:
        if word in ("&&", "||", "|", ";", "&"):
            yield part
            part = []
        elif word in (">", ">>", "2>", "<"):
            skip = True
        elif skip:
            skip = False
        else:
            part.append(word)
    yield part


def selfplay_arguments(words: list[str]) -> list[str] | None:
    """What the project's command is given in a command line, also behind a launcher."""
    if words[0] == "selfplay":
        return words[1:]
    if words[0] in LAUNCHERS and "selfplay" in words:
        return words[words.index("selfplay") + 1 :]
    return None
