"""What MkDocs does besides, for the site: files from outside docs/, and links to them.

The pages are written to be read in the repository, where they link to what lies beside `docs/`. On
the site that becomes a page (the changes, how to contribute, the README's part about the code) or a
file beside the pages (configurations, examples, plots of benchmarks); links are put right. Each
notebook gets a page with its cells and their recorded text output.

Left out: pictures in the output of notebooks.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {"CHANGELOG.md": "changes.md", "CONTRIBUTING.md": "contributing.md", "README.md": "code.md"}
"""Pages made of files outside docs/."""
COPIED = ("configs/**/*.yaml", "examples/**/*.*", "benchmarks/results/*.svg", "LICENSE")
"""Files beside the pages, at the same place as in the repository."""
CODE = ("## What is where", "## More")
"""The first heading of the README that the page about the code has, and the first that it lacks."""

LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files from outside docs/ and the pages of notebooks."""
    root = Path(config.docs_dir).parent
    for name, uri in PAGES.items():
        text = (root / name).read_text(encoding="utf-8")
        content = _about_the_code(text) if name == "README.md" else text
        files.append(File.generated(config, uri, content=content))
    for path in sorted(found for pattern in COPIED for found in root.glob(pattern)):
        uri = path.relative_to(root).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        uri = posixpath.splitext(notebook.src_uri)[0] + ".md"
        cells = json.loads(notebook.content_string)["cells"]
        link = f"[The notebook itself]({posixpath.basename(notebook.src_uri)})"
        content = "\n\n".join([*map(_cell, cells), f"{link}.\n"])
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts links right that lead out of docs/, or into it from outside."""
    uri = page.file.src_uri
    sources = {made: name for name, made in PAGES.items()}
    folder = posixpath.dirname(sources.get(uri, f"docs/{uri}"))

    def changed(match: re.Match[str]) -> str:
        anchor = match["anchor"] or ""
        path = posixpath.normpath(posixpath.join(folder, match["path"]))
        target = _on_the_site(path, anchor)
        if target == uri or files.get_file_from_path(target) is None:
            return anchor if anchor and target == uri else match[0]
        return posixpath.relpath(target, posixpath.dirname(uri) or ".") + anchor

    return LINK.sub(changed, markdown)


def _on_the_site(path: str, anchor: str) -> str:
    """Where a file of the repository is on the site."""
    if path == "README.md" and not anchor:
        return "index.md"
    return PAGES.get(path, path.removeprefix("docs/"))


def _about_the_code(readme: str) -> str:
    first, last = (readme.index(f"\n{heading}\n") for heading in CODE)
    return f"# The code\n{readme[first:last]}"


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return source
    texts = [_output(output) for output in cell["outputs"]]
    return "\n\n".join([f"```python\n{source}\n```", *filter(None, texts)])


def _output(output: dict[str, Any]) -> str:
    """The text of an output, if it has one."""
    text = "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
