"""In which languages we can write to somebody: those in which there is a letter at all."""

from dataclasses import replace

from chassis.database import Transaction
from chassis.house import Entry
from contracts.envelope import Event
from contracts.notifications import TRANSLATED
from services.grants.queries import QUERIES

#: What is written where there is nothing else; whoever wants it need not say so.
ENGLISH = "en"


#: What languages are called in themselves, by ISO 639, for whoever looks for their own.
OWN_NAMES = {
    "am": "አማርኛ",
    "ar": "العربية",
    "bn": "বাংলা",
    "bs": "bosanski",
    "es": "español",
    "fa": "فارسی",
    "fr": "français",
    "ku": "kurdî",
    "ln": "lingála",
    "my": "မြန်မာ",
    "ne": "नेपाली",
    "om": "Afaan Oromoo",
    "pl": "polski",
    "ps": "پښتو",
    "pt": "português",
    "rom": "romani",
    "ro": "română",
    "sn": "chiShona",
    "so": "Soomaali",
    "sq": "shqip",
    "ta": "தமிழ்",
    "ti": "ትግርኛ",
    "tr": "Türkçe",
    "uk": "українська",
    "ur": "اردو",
    "vi": "Tiếng Việt",
    "zh": "中文",
}


async def hear_of_languages(tx: Transaction, event: Event) -> None:
    """Keep in which languages there are letters."""
    await QUERIES.remember_languages(tx, **event.state)


async def languages_offered(tx: Transaction) -> list[Entry]:
    """The languages that somebody may choose instead of English, in the order of the house's list."""
    written = {*TRANSLATED, *await QUERIES.letter_languages(tx)} - {ENGLISH}
    listed = tx.context.house.lists["languages"].items()
    return [replace(entry, name=_both(entry)) for code, entry in listed if code in written]


def _both(entry: Entry) -> str:
    """A language's own name first, then ours: ``العربية (Arabic)``."""
    own = OWN_NAMES.get(entry.code)
    return f"{own} ({entry.name})" if own else entry.name
