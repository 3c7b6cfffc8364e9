r"""Turns down a prompt that a blocklist names or that a judge bars.

The patterns' file has regular expressions, one a line, under headings in brackets; the heading is
the reason that is recorded. Lines that begin with `#` are comments:

    [weapons]
    \b(?:build|make) (?:a |an )?(?:pipe )?bomb\b

Patterns are searched in the text without case, in one Unicode form (full-width and other letter
look-alikes of NFKC), without invisible characters, runs of space being one space.

Limits: a blocklist finds phrasings, not intentions; it misses paraphrases, other languages and
spelling tricks, and it bars harmless prompts that quote a phrase. It is a net under the rewriter,
not a safety policy. A judge (a classifier or a guard model of one's own) is as good as it is. No
list is shipped: what must not be asked is for the user to say. A pattern that takes too long on a
prompt bars it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

from creator.gates.table import SafetyOptions
from selfplay.core.components import load_attribute
from selfplay.core.errors import ConfigError, DataError
from selfplay.core.patterns import is_found, pattern_fault
from selfplay.core.types import Prompt

_HEADING = re.compile(r"\[([^\[\]]+)\]")


class Safety:
    """The blocklist first, then the judge for what it let pass."""

    def __init__(self, options: SafetyOptions, surroundings: object) -> None:
        """Reads the patterns and imports the judge.

        Raises:
            ConfigError: the file has no pattern or a wrong one, or the judge cannot be imported.
        """
        self._patterns = read_patterns(Path(options.patterns)) if options.patterns else []
        self._name = options.judge
        self._judge: Callable[[list[str]], object] | None = (
            load_attribute(options.judge, "safety.judge") if options.judge else None
        )

    def reasons(self, prompts: Sequence[Prompt]) -> list[str]:
        """As `Gate.reasons`.

        Raises:
            DataError: the judge did not return a text for each prompt.
        """
        reasons = [self._listed(prompt.text) for prompt in prompts]
        standing = [i for i, reason in enumerate(reasons) if not reason]
        for i, said in zip(standing, self._judged([prompts[i] for i in standing]), strict=True):
            reasons[i] = f"unsafe: {said}" if said else ""
        return reasons

    def _listed(self, text: str) -> str:
        plain = _plain(text)
        found = (heading for heading, pattern in self._patterns if _names(pattern, plain))
        return next((f"unsafe: {heading}" for heading in found), "")

    def _judged(self, prompts: Sequence[Prompt]) -> list[str]:
        if self._judge is None or not prompts:
            return [""] * len(prompts)
        said = self._judge([prompt.text for prompt in prompts])
        if (
            not isinstance(said, list)
            or len(said) != len(prompts)
            or not all(isinstance(reason, str) for reason in said)
        ):
            raise DataError(
                f"safety.judge '{self._name}': expected a list of {len(prompts)} texts, each why "
                f"a prompt is unsafe or empty, found {said!r:.200}"
            )
        return said


def _names(pattern: str, text: str) -> bool:
    return is_found(pattern, text, flags=re.IGNORECASE, otherwise=True)


def read_patterns(path: Path) -> list[tuple[str, str]]:
    """The patterns of a file, each with its heading (`blocklist` before the first).

    Raises:
        ConfigError: the file cannot be read, has no pattern, or one that is no regular expression.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"safety.patterns: expected a text file in UTF-8 at {path}, which cannot be read: "
            f"{getattr(error, 'strerror', None) or error}"
        ) from error
    heading = "blocklist"
    patterns = []
    for number, line in enumerate(map(str.strip, lines), 1):
        if match := _HEADING.fullmatch(line):
            heading = match[1].strip()
        elif line and not line.startswith("#"):
            if fault := pattern_fault(line):
                raise ConfigError(
                    f"{path}, line {number}: expected a regular expression, found '{line}': {fault}"
                )
            patterns.append((heading, line))
    if not patterns:
        raise ConfigError(f"safety.patterns: expected patterns in {path}, found none")
    return patterns


def _plain(text: str) -> str:
    visible = (char for char in text if unicodedata.category(char) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", "".join(visible)).split())
