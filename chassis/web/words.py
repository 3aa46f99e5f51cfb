"""Money and time as people read them."""

import re
from datetime import date, datetime

from chassis.clock import LOCAL


def pounds(pence: int | None) -> str:
    """An amount in pence as people write it: ``£3,400`` or ``£3,400.50``."""
    if pence is None:
        return "–"
    whole, rest = divmod(abs(pence), 100)
    return f"{'−' if pence < 0 else ''}£{whole:,}" + (f".{rest:02}" if rest else "")


def dialled(telephone: str) -> str:
    """The link that rings a number: without an extension, or the (0) that is only written after +44."""
    written = telephone.replace("(0)", "") if "+" in telephone else telephone
    number = re.search(r"\+?[0-9][0-9 ().-]*", written)
    return "tel:" + re.sub(r"[^+0-9]", "", number[0] if number else "")


def size_in_words(size: int) -> str:
    """How large something is, from its bytes: ``740 bytes``, ``38 kB``, ``2.4 MB`` or ``12 GB``."""
    if size < 1_000:
        return f"{size} bytes"
    if size < 1_000_000:
        return f"{round(size / 1_000)} kB"
    unit, name = (1_000_000, "MB") if size < 1_000_000_000 else (1_000_000_000, "GB")
    return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"


def when(moment: datetime | None) -> str:
    """A moment in the users' own time: ``3 February 2012, 14:05``."""
    if moment is None:
        return "–"
    local = moment.astimezone(LOCAL)
    return f"{local.day} {local:%B %Y, %H:%M}"


def lately(moment: datetime, now: datetime) -> str:
    """A moment of not long ago: ``14:05`` on the same day, otherwise with its day."""
    local = moment.astimezone(LOCAL)
    return f"{local:%H:%M}" if local.date() == now.astimezone(LOCAL).date() else when(moment)


def day(moment: date | datetime | None) -> str:
    """A day: ``3 February 2012``."""
    if moment is None:
        return "–"
    local = moment.astimezone(LOCAL) if isinstance(moment, datetime) else moment
    return f"{local.day} {local:%B %Y}"


def short_name(name: str) -> str:
    """A name for a tile: ``K&C`` for Kensington and Chelsea, ``CAMD`` for Camden."""
    if " and " in name:
        return "&".join(part.strip()[:1] for part in name.split(" and ")).upper()
    return name.split(maxsplit=1)[0][:4].upper()
