from __future__ import annotations

import subprocess
import sys

from creator import page


def test_the_page_is_what_the_tables_say() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.render(), (
        "docs/creator_parts.md is stale: run `python -m creator.page`"
    )


def test_every_option_of_the_creators_parts_is_explained() -> None:
    assert page.undocumented() == []


def test_the_tables_are_read_without_torch_and_numpy() -> None:
    code = "import sys, creator.page; sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
