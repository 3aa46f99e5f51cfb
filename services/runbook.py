"""docs/runbook.md as a page of ours: each part under a heading that a link can lead to.

The runbook keeps to headings, paragraphs, lists, code, emphasis and links to its own parts.
"""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

_INLINE = re.compile(r"`([^`]+)`|\*([^*]+)\*|\[([^\]]+)\]\((#[a-z]+)\)")
_HEADS = {"# ": "h1", "## ": "h2", "### ": "h3"}
_ITEM = re.compile(r"(\d+\.|-) ")


def as_html(markdown: str) -> str:
    """The text after its title, as markup that stands in a template."""
    return "\n".join(_blocks(markdown)).replace("{", "&#123;") + "\n"


def _blocks(markdown: str) -> Iterator[str]:
    """One after the other: they stand between empty lines, and a heading on a line of its own."""
    lines = markdown.splitlines()
    for empty, some in groupby(lines, key=lambda line: not line.strip()):
        if not empty:
            yield from _block(list(some))


def _block(lines: list[str]) -> Iterator[str]:
    mark, _, title = lines[0].partition(" ")
    if kind := _HEADS.get(f"{mark} "):
        if kind != "h1":
            anchor = title.lower().replace(" ", "-")
            yield f'<{kind} id="{anchor}">{_inline(title)}</{kind}>'
        if lines[1:]:
            yield from _block(lines[1:])
    elif found := _ITEM.match(lines[0]):
        kind = "ul" if found[1] == "-" else "ol"
        items = "".join(f"<li>{_inline(item)}</li>" for item in _items(lines))
        yield f"<{kind}>{items}</{kind}>"
    else:
        yield f"<p>{_inline(' '.join(map(str.strip, lines)))}</p>"


def _items(lines: list[str]) -> Iterator[str]:
    item = ""
    for line in lines:
        if found := _ITEM.match(line):
            if item:
                yield item
            item = line[found.end() :].strip()
        else:
            item += f" {line.strip()}"
    yield item


def _inline(text: str) -> str:
    def marked(found: re.Match[str]) -> str:
        code, strong, words, href = found.groups()
        if code is not None:
            return f"<code>{code}</code>"
        return f"<b>{strong}</b>" if strong is not None else f'<a href="{href}">{words}</a>'

    return _INLINE.sub(marked, escape(text, quote=False))
