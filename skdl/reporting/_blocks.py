"""What sections of a report are made of, each as HTML and as Markdown."""

from __future__ import annotations

import dataclasses
import html
import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Block", "Figure", "Items", "Section", "Table", "Text"]

_CODE = re.compile(r"`([^`]+)`")


class Block(Protocol):
    """A part of a section."""

    def as_html(self) -> str:
        """Return it as HTML."""

    def as_markdown(self) -> str:
        """Return it as Markdown."""


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes
    ----------
    text : str
        Backticks mark code.
    kind : {"plain", "headline", "warning", "note"}
    link, address : str
        Words that end it and lead to an address; without the address they stand alone.
    """

    text: str
    kind: str = "plain"
    link: str = ""
    address: str = ""

    def as_html(self) -> str:
        """Return it as HTML."""
        link = f'<span class="code">{html.escape(self.link)}</span>' if self.link else ""
        if self.address:
            link = f'<a href="{html.escape(self.address)}">{link}</a>'
        return f'<p class="{self.kind}">{_inline(self.text)}{" " * bool(link)}{link}</p>'

    def as_markdown(self) -> str:
        """Return it as Markdown."""
        link = f"[{self.link}]({self.address})" if self.address else self.link
        text = f"{self.text} {link}".strip()
        return {"headline": f"**{text}**", "warning": f"> {text}"}.get(self.kind, text)


@dataclasses.dataclass(frozen=True)
class Items:
    """A list, the most important first."""

    items: Sequence[str]

    def as_html(self) -> str:
        """Return it as HTML."""
        return "<ol>" + "".join(f"<li>{_inline(item)}</li>" for item in self.items) + "</ol>"

    def as_markdown(self) -> str:
        """Return it as Markdown."""
        return "\n".join(f"{i}. {item}" for i, item in enumerate(self.items, 1))


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of plain text, its first column on the left.

    Attributes
    ----------
    header : sequence of str
        Empty for a list of names and values.
    rows : sequence of sequence of str
        The first cell names the row.
    caption : str
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def as_html(self) -> str:
        """Return it as HTML."""
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in self.header)
        head = f"<thead><tr>{head}</tr></thead>" if head else ""
        body = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th>'
            + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            + "</tr>"
            for name, *cells in self.rows
        )
        kind = "" if self.header else ' class="facts"'
        table = f"<table{kind}>{caption}{head}<tbody>{body}</tbody></table>"
        # Which the keyboard can scroll too.
        return f'<div class="scroll" tabindex="0">{table}</div>'

    def as_markdown(self) -> str:
        """Return it as Markdown."""
        n_columns = len(self.rows[0]) if self.rows else len(self.header)
        header = self.header or [""] * n_columns
        lines = [header, ["---"] + ["---:"] * (n_columns - 1), *self.rows]
        table = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
        return f"{self.caption}\n\n{table}" if self.caption else table


@dataclasses.dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes
    ----------
    svg : str
    alt : str
        What it shows, for those who do not see it.
    is_wide : bool
        Whether it keeps its width on a small screen, to be scrolled.
    """

    svg: str
    alt: str
    is_wide: bool = False

    def as_html(self) -> str:
        """Return it as HTML."""
        wide = ' class="wide" tabindex="0"' if self.is_wide else ""
        return f"<figure{wide}>{self.svg}</figure>"

    def as_markdown(self) -> str:
        """Return what it shows: Markdown holds no drawings."""
        return f"*Figure: {self.alt}*"


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading with its blocks; without blocks it is left out."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """Where links lead."""
        return "skdl-" + re.sub(r"\W+", "-", self.title.lower()).strip("-")

    def as_html(self) -> str:
        """Return it as HTML, figures in a row side by side."""
        parts, figures = [], []
        for block in [*self.blocks, None]:
            if isinstance(block, Figure) and not block.is_wide:
                figures.append(block.as_html())
                continue
            if figures:
                parts.append(f'<div class="figures">{"".join(figures)}</div>')
                figures = []
            if block is not None:
                parts.append(block.as_html())
        title = html.escape(self.title)
        return f'<section id="{self.anchor}"><h2>{title}</h2>{"".join(parts)}</section>'

    def as_markdown(self) -> str:
        """Return it as Markdown."""
        return "\n\n".join([f"## {self.title}", *(block.as_markdown() for block in self.blocks)])


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(text))


def _cell(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")
