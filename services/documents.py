"""Documents made from the code: ``python -m services.documents`` writes them, a test keeps them true."""

import dataclasses
from html import escape
from pathlib import Path

from chassis.config import PREFIX, Settings
from contracts.topology import SERVICES
from services.keeping import terms_of

SETTINGS = Path(__file__).parent.parent / "docs" / "settings.md"

_HEAD = """# Settings

Every setting is a variable in the environment, read once at start. One that is missing or wrong names itself
and says what belongs there. Made from `chassis/config.py` by `make generate`.

| variable | what it is | unit | default |
| --- | --- | --- | --- |
"""


_TERMS = """
## What is kept how long

Every night after three o'clock each section lets go of what has had its time; `conduit retention --dry-run`
says what that would be now. `CONDUIT_RETAIN` gives another time: `CONDUIT_RETAIN=letters=36,people=12`.

| name | section | months | counted from |
| --- | --- | --- | --- |
"""


def settings_page() -> str:
    """The table of all settings, in the order in which they are declared, and what is kept how long."""
    kept = [
        f"| `{term.what}` | {service} | {term.months} | {term.since} |\n"
        for service in SERVICES
        for term in terms_of(service)
    ]
    return _HEAD + "".join(map(_row, dataclasses.fields(Settings))) + _TERMS + "".join(kept)


def _row(field: "dataclasses.Field[object]") -> str:
    default = "" if field.default in (None, "", ()) else f"`{field.default}`"
    help, unit = (escape(field.metadata[name], quote=False).replace("|", "\\|") for name in ("help", "unit"))
    return f"| `{PREFIX}{field.name.upper()}` | {help} | {unit} | {default} |\n"


if __name__ == "__main__":
    SETTINGS.write_text(settings_page(), encoding="utf-8")
