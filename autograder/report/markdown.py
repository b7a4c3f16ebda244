"""Markdown as pages have it that nobody's script may run in: what students get, and what formgrader shows of them."""

from __future__ import annotations

from functools import lru_cache
from html import unescape
from xml.etree.ElementTree import tostring

from latex2mathml.converter import convert_to_element
from markupsafe import Markup, escape
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

_NOT_IN_FORMULAS = frozenset(("href", "style", "class", "id"))
"""Attributes that LaTeX can ask for, and that have no business in a formula."""


@lru_cache(maxsize=4096)
def to_html(source: str, *, trusted: bool = False) -> Markup:
    """
    Turn Markdown into HTML; of text that is not trusted, HTML in it is shown and not obeyed.

    ``nbgrader_config.py`` has formgrader use it as its filter of that kind.
    """
    renderer = _Renderer(escape=not trusted, allow_harmful_protocols=False, exclude_anchor_links=True)
    return Markup(MarkdownWithMath(renderer).render(source))


class _Renderer(IPythonRenderer):  # type: ignore[misc]  # nbconvert tells no types of it
    """Markdown as notebooks have it, with formulas as MathML, which browsers show without a script."""

    def block_math(self, body: str) -> str:
        return _formula(body, "block")

    def inline_math(self, body: str) -> str:
        return _formula(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return _formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def image(self, text: str, url: str, title: str | None = None) -> str:
        # What is not in the text itself would have to be loaded: its description stands for it.
        if url.startswith("data:image/"):
            return str(super().image(text, url, title))
        return f'<span class="quiet">[{escape(text or title or "picture")}]</span>'


def _formula(latex: str, display: str) -> str:
    try:
        formula = convert_to_element(latex, display=display)
    except Exception:  # noqa: BLE001 - whatever a student wrote between dollars is shown as it is
        return f"<code>{escape(latex)}</code>"
    for part in formula.iter():
        # The library writes signs as entities, and lets a text be whatever it is: both become text here.
        part.text = unescape(part.text) if part.text else None
        for name in _NOT_IN_FORMULAS.intersection(part.keys()):
            del part.attrib[name]
    return tostring(formula, encoding="unicode", short_empty_elements=False)
