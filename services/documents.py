"""Documents made from the code: ``python -m services.documents`` writes them, a test keeps them true."""

import dataclasses
from html import escape
from pathlib import Path

from chassis.config import PREFIX, Settings
from chassis.definitions import as_text, definitions
from contracts.topology import SERVICES
from services.dashboards import files
from services.keeping import terms_of
from services.runbook import as_html

_ROOT = Path(__file__).parent.parent

SETTINGS = _ROOT / "docs" / "settings.md"
#: The runbook, and the part of a page that is made of it: what is installed has no folder docs.
RUNBOOK = _ROOT / "docs" / "runbook.md"
RUNBOOK_PAGE = _ROOT / "services" / "partners" / "templates" / "runbook_text.html"
DEFINITIONS = _ROOT / "deploy" / "rabbitmq" / "definitions.json"

_HEAD = """# Settings

Every setting is a variable in the environment, read once at start. One that is missing or wrong names itself
and says what belongs there. Any of them may stand in a file: `CONDUIT_SMTP_URL_FILE` names the one that holds
`CONDUIT_SMTP_URL`. Made from `chassis/config.py` by `make generate`.

Over TLS (`amqps://`, `smtps://`, `imaps://`, STARTTLS, `https://`) a server must show a certificate that
bears its name and is signed by somebody whom this computer knows. Where you sign them yourselves, give every
process `SSL_CERT_FILE`, the file with the certificate of who signs; those whom the system knows stay known.
PostgreSQL has its own way: `?sslmode=verify-full&sslrootcert=FILE` at the end of `CONDUIT_DATABASE_URL`.

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


def runbook_page() -> str:
    """The runbook as it stands in a page."""
    return as_html(RUNBOOK.read_text(encoding="utf-8"))


if __name__ == "__main__":
    written = {
        SETTINGS: settings_page(),
        DEFINITIONS: as_text(definitions()),
        RUNBOOK_PAGE: runbook_page(),
        **files(),
    }
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
