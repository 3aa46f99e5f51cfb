"""Words that can be sent, and that whoever wrote them may not have meant.

Fields as other programs write them and marks of emphasis go out as they stand; a sign that no font has is an
empty box on paper. None of it is a fault: somebody may mean it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path

from chassis.press import Press, claims_standard, printable

#: Signs that are named in one warning.
_MOST_SIGNS = 12

#: A field as Notify, Mailchimp, mail merges and people in a hurry write it.
_FIELD = re.compile(
    r"\(\([^()\n]{1,60}\)\)|\*\|[^|\n]{1,60}\|\*|<<[^<>\n]{1,60}>>|\[[A-Za-z][A-Za-z _]{0,40}\]"
)
_EMPHASIS = re.compile(r"\*\*[^\s*][^*\n]*\*\*|__[^\s_][^_\n]*__")

#: Lines on which somebody's role stands, and what of such a line is filled in.
_ROLE = re.compile(r"^.*\{contact_role\}.*$", re.MULTILINE)
_FILLED_IN = re.compile(r"\{[^{}]*\}")

_press = Press(Path(__file__).parent / "signs.typ", "signs.json")


def doubts_of(subject: str, body: str, unsaid: Mapping[str, str]) -> Iterator[str]:
    """What to look at once more, a sentence or two each. Sets type: call it from a thread.

    Args:
        unsaid: by their names, roles that the house file does not put into a sentence, and how they are put.
    """
    text = f"{subject}\n{body}"
    for field in dict.fromkeys(_FIELD.findall(text)):
        yield f"“{field}” goes out as it stands. If it is to be filled in, use a field in braces."
    for words in dict.fromkeys(_EMPHASIS.findall(text)):
        yield f"“{words}” goes out with its marks: letters are plain text."
    if any(map(str.isalpha, _FILLED_IN.sub("", "".join(_ROLE.findall(text))))):
        yield (
            "“{contact_role}” becomes the name of a role in our list, such as Dental care. "
            "That fits an address; within a sentence write {contact_role_in_text}."
        )
    for name, words in unsaid.items() if "{contact_role_in_text}" in text else ():
        yield (
            f"The house file does not say how {name} reads within a sentence: “{words}” stands there. "
            "Whoever keeps that file can add it to the role, as whom."
        )
    if signs := _without_font(text):
        some = " ".join(signs[:_MOST_SIGNS])
        yield f"No font here has {some}: on paper there is an empty box instead. E-mail shows it."


def _without_font(text: str) -> list[str]:
    """The signs of a text that cannot be printed."""
    signs = [sign for sign in dict.fromkeys(printable(text)) if ord(sign) > 0x2FF and not sign.isspace()]
    if _can_be_set("".join(signs)):
        return []
    return [sign for sign in signs if not _can_be_set(sign)]


@lru_cache(maxsize=4096)
def _can_be_set(signs: str) -> bool:
    """Whether there is a font for each of these signs: without one, no page keeps the standard."""
    return claims_standard(_press.print({"text": signs}, date(2000, 1, 1)))
