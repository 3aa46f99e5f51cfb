"""Templates, style and script: what was typed never becomes markup, and only files of ours run.

Each message says what to do instead.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

from chassis.mailbox import HTML_POLICY
from chassis.web import FILE_POLICY, SECURITY_HEADERS
from services.notifications.web.letter import LETTER_POLICY
from tests.test_architecture import named, none_of, parsed, walk

#: What Jinja writes stands for: an attribute's value must hold it between quotation marks.
_PUT_IN = "\N{BLACK SQUARE}"


def templates() -> Iterator[Path]:
    return (path for path in walk("chassis", "services", suffixes=(".html", ".svg")))


def filled(path: Path) -> str:
    """A template without its own words, each value a sign."""
    text = re.sub(r"\{#.*?#\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", _PUT_IN, text, flags=re.DOTALL)
    return re.sub(r"\{%.*?%\}", "", text, flags=re.DOTALL)


def found_in(path: Path, pattern: str) -> Iterator[str]:
    text = path.read_text("utf-8")
    for match in re.finditer(pattern, text, re.IGNORECASE):
        yield f"{named(path, text.count(chr(10), 0, match.start()) + 1)}: {match[0][:60]}"


def test_every_value_is_escaped_where_it_is_written() -> None:
    unescaped = r"\|\s*safe\b|\bMarkup\(|markupsafe|\{%-?\s*autoescape"
    none_of(
        (
            fault
            for path in (*templates(), *walk("chassis", "services"))
            for fault in found_in(path, unescaped)
            # The one door for a part of a page that was rendered, and escaped, by itself.
            if "chassis/web/pages.py" not in fault
        ),
        "Let Jinja escape it: hand the template text, and write the markup in the template.",
    )
    made = [node for path in walk("chassis", "services") for node in ast.walk(parsed(path)) if _is_made(node)]
    assert len(made) == 2
    for call in made:
        assert [ast.unparse(each.value) for each in call.keywords if each.arg == "autoescape"] == ["True"]


def test_the_key_of_a_form_stays_short_enough_to_be_taken() -> None:
    none_of(
        (fault for path in templates() for fault in found_in(path, r"key_field\(key, [^)]*\bid\b")),
        "A key has at most 100 characters, of which 69 are gone: tell forms apart by loop.index or a code.",
    )


def _is_made(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether this makes an environment of templates."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("Environment", "_Environment")


def test_what_a_house_file_may_lack_is_asked_for_before_it_is_shown() -> None:
    """Until it is filled in, a label would stand there alone."""
    shown = re.compile(r"{{ house\.(number|telephone|website|address)\b(?! or )")
    none_of(
        (
            f"{named(path)}: {match[0]} }}}}"
            for path in templates()
            for match in shown.finditer(path.read_text("utf-8"))
            if f"{{% if house.{match[1]} %}}" not in path.read_text("utf-8")[: match.start()]
        ),
        "Write {% if house.number %}…{% endif %} around it, or “Please {{ house.to_reach }}”.",
    )


def test_a_value_in_an_attribute_stands_between_quotation_marks() -> None:
    bare = re.compile(rf"""\s[\w-]+=(?!["'])[^\s>]*{_PUT_IN}""")
    none_of(
        (
            f"{named(path)}: {match[0].strip()}"
            for path in templates()
            for match in bare.finditer(filled(path))
        ),
        'Write name="{{ value }}": without quotation marks a space begins another attribute.',
    )


def test_no_value_becomes_script_or_style() -> None:
    within = re.compile(rf"<(script|style)\b[^>]*>[^<]*{_PUT_IN}|\s(style|on\w+)=", re.IGNORECASE)
    mailed = "services/notifications/templates/mail/"  # shown in a sandbox; mail programs read no style sheet
    none_of(
        (
            f"{named(path)}: {match[0].strip()[:60]}"
            for path in templates()
            for match in within.finditer(filled(path))
            if not (named(path).startswith(mailed) and match[2] == "style")
        ),
        "Put data into an attribute or an element, and read it in conduit.js; looks belong to conduit.css.",
    )


def test_pages_load_nothing_but_our_own_files_and_no_old_technology() -> None:
    loads = r"<(object|embed|applet|base|meta[^>]+refresh)\b|(src|href)=[\"'](https?:)?//|@import"
    loads += r"|url\(\s*[\"']?http"
    places = (*templates(), *walk("chassis", "services", suffixes=(".css", ".js")))
    none_of(
        (fault for path in places for fault in found_in(path, loads)),
        "Serve it from chassis/static: a page must not tell another site who reads it.",
    )


def test_the_script_takes_text_for_text_and_keeps_nothing() -> None:
    """It puts pages of ours in place as nodes, and words as words."""
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|setTimeout\(\s*[\"'`]"
        r"|localStorage|sessionStorage|indexedDB|document\.cookie|caches\b|postMessage|onmessage\s*=\s*window"
        r"|__proto__|\.prototype\b|Object\.assign|\[\w+\]\[\w+\]\s*="
    )
    none_of(
        (
            fault
            for path in walk("chassis", "services", suffixes=(".js",))
            for fault in found_in(path, forbidden)
        ),
        "Use textContent and replaceChildren, and let the server remember.",
    )


@pytest.mark.parametrize(
    "policy", [SECURITY_HEADERS["content-security-policy"], FILE_POLICY, HTML_POLICY, LETTER_POLICY]
)
def test_every_policy_says_what_may_load_and_who_may_frame(policy: str) -> None:
    said = {part.split()[0]: part.split()[1:] for part in policy.split(";")}
    assert said.get("object-src", said["default-src"]) == ["'none'"], "no plug-in"
    assert said["base-uri"] == ["'none'"], "no other base for links"
    assert said["form-action"] in (["'none'"], ["'self'"])
    assert said["frame-ancestors"] in (["'none'"], ["'self'"])
    assert "unsafe-inline" not in str(said.get("script-src", said["default-src"]))
    if "unsafe-inline" in policy or said["frame-ancestors"] == ["'self'"]:
        assert "allow-scripts" not in said["sandbox"], "what others wrote is shown in a sandbox"
