"""The documentation builds as a site: strictly, whole, and with nothing from other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from benchmarks.browser import chromium, missing, open_file, requests

pytest.importorskip("material", reason="needs the extra `docs`")

ROOT = Path(__file__).resolve().parents[1]
LOADING = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "manifest"}
"""Relations of a `link` that a browser follows by itself."""


class References(HTMLParser):
    """What a page loads, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and LOADING & set(found.get("rel", "").split()):
            self.loaded.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return place


def pages(site: Path) -> Iterator[tuple[Path, str, References]]:
    for path in sorted(site.rglob("*.html")):
        text, references = path.read_text(encoding="utf-8"), References()
        references.feed(text)
        yield path, text, references


def is_elsewhere(address: str) -> bool:
    return bool(urlsplit(address).netloc)


def test_every_page_of_the_documentation_is_on_the_site(site: Path) -> None:
    written = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert written <= built
    assert [path.name for path in site.rglob("*.py*")] == []


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    for path, _, references in pages(site):
        assert references.loaded, path
        assert [address for address in references.loaded if is_elsewhere(address)] == [], path


def test_no_style_loads_anything_from_another_host(site: Path) -> None:
    styles = list(site.rglob("*.css"))
    assert styles
    for path in styles:
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')\s]+)", text)
        assert [address for address in loaded if is_elsewhere(address)] == [], path


def test_no_page_needs_a_renderer_of_diagrams(site: Path) -> None:
    """The theme would load it from another host; a picture in text does without."""
    for path, text, _ in pages(site):
        assert not re.search(r'class="[^"]*\bmermaid\b', text), path


@pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_browser_asks_no_other_host(site: Path) -> None:
    with chromium() as driver:
        for name in ("index.html", "reference/configuration.html", "results.html"):
            open_file(driver, site / name)
            asked = requests(driver)
            assert (site / name).as_uri() in asked
            assert [url for url in asked if url.startswith(("http:", "https:"))] == []


def test_every_local_link_leads_to_a_file_of_the_site(site: Path) -> None:
    for path, _, references in pages(site):
        if path.name == "404.html":  # its links begin at the root of wherever it is served
            continue
        for address in (*references.links, *references.loaded):
            parts = urlsplit(address)
            if parts.path and not parts.scheme and not parts.netloc:
                assert (path.parent / unquote(parts.path)).exists(), (path.name, address)


def test_what_lies_outside_docs_is_linked_to_on_the_site(site: Path) -> None:
    links = {path.name: references.links for path, _, references in pages(site)}
    assert "examples/slurm/selfplay.sbatch" in links["slurm.html"]
    assert "code.html#reading-the-code" in links["contributing.html"]
    assert (site / "configs" / "tiny.yaml").exists()


def test_the_readme_s_tree_is_shown_as_it_stands(site: Path) -> None:
    page = (site / "code.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    assert "  game.py             one round, stage by stage: start here\n" in text


def test_the_notebook_is_a_page_beside_its_file(site: Path) -> None:
    page = (site / "notebooks" / "first_run.html").read_text(encoding="utf-8")
    assert '<span class="kn">import</span>' in page
    assert 'href="first_run.ipynb"' in page
    assert (site / "notebooks" / "first_run.ipynb").exists()
