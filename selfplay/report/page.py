"""One self-contained HTML file: a template, its style and scripts, and the data as JSON.

Whatever a model wrote is data: it lies in the page as JSON in which no `<` is left, and scripts put
it into text nodes only. The page's content security policy lets it run no script but its own, told
by their hash, and reach no other host; in a page for a file it reaches nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
import html
from importlib.resources import files
from string import Template

from selfplay.report.sections import Payload, as_json

SCRIPTS = ("dom", "charts", "parts", "prompts", "rubric", "comparison", "live", "main")
"""In the order in which they are read."""
_ASSETS = files("selfplay.report") / "assets"


def page(payload: Payload, follow_seconds: float | None = None) -> str:
    """The whole page.

    Args:
        payload: its data.
        follow_seconds: how often the page asks its server for newer data; None for a file.
    """
    script = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    style = _asset("style.css")
    connect = "'none'" if follow_seconds is None else "'self'"
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        f"img-src data:; connect-src {connect}; base-uri 'none'; form-action 'none'"
    )
    return Template(_asset("page.html")).substitute(
        policy=policy,
        title=html.escape(payload.title),
        style=style,
        script=script,
        follow="" if follow_seconds is None else f"{follow_seconds:g}",
        data=embedded(as_json(payload.as_dict())),
    )


def embedded(json_text: str) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or open one."""
    return (
        json_text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
