"""What programs and people write in many languages: automatic replies, who is away until when, who has left.

Every pattern is anchored or bounded, so that none of them takes long over a text that was made for that.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta

#: How an automatic reply's subject begins.
_AUTOMATIC = re.compile(
    r"(automatic reply|auto[- ]?reply|auto[- ]?response|auto:|automated (reply|response)"
    r"|out[- ]of[- ](the[- ])?office"
    r"|away from (my )?(desk|mail|office)|on annual leave|vacation|i am (currently )?(away|out of)"
    r"|automatische antwort|abwesenheit|außer haus|autoantwort"
    r"|réponse automatique|reponse automatique|absence du bureau|message d.absence|absent du bureau"
    r"|respuesta autom[aá]tica|fuera de (la )?oficina|ausente"
    r"|risposta automatica|fuori (sede|ufficio)|assente"
    r"|resposta autom[aá]tica|fora do escrit[oó]rio|ausência"
    r"|automatisch(e)? antwoord|afwezig|automatiskt svar|autosvar|automatisk svar|automaattinen vastaus"
    r"|odpowied[zź] automatyczna|automatyczna odpowied[zź]|automatická odpov[eě][dď]|automatikus v[aá]lasz"
    r"|otomatik yan[ıi]t|răspuns automat|автоматический ответ|автоответ|автоматична відповідь"
    r"|αυτόματη απάντηση|自动(回复|答复)|自動(回覆|応答|返信)|자동 ?회신|رد تلقائي|پاسخ خودکار|תשובה אוטומטית"
    r"|trả lời tự động|ตอบกลับอัตโนมัติ|स्वचालित उत्तर)",
    re.IGNORECASE,
)

#: Somebody does not work there any more.
_LEFT = re.compile(
    r"no longer (work|employed|with the|with us|at the|in post|in this (role|post|office)|monitor"
    r"|in use|active)"
    r"|(has|have|'ve|’ve) (now )?(left|retired|moved on|moved to)\b|\bleft (the|our|this) (trust"
    r"|organi|company|team|post)"
    r"|does(n.t| not) work (here|at)|address (is|has) (been )?(changed|closed|no longer)"
    r"|arbeitet nicht mehr|nicht mehr (bei|im|für)|ausgeschieden|ne travaille plus"
    r"|n.est plus (en poste|dans|à)"
    r"|a quitté|ya no trabaja|ha dejado|non lavora più|non è più|já não trabalha|não trabalha mais"
    r"|werkt niet meer|niet meer werkzaam|nie pracuje już|już nie pracuje|больше не работает|لم يعد يعمل",
    re.IGNORECASE,
)

#: What a mail program writes in the subject when whoever reads our letter presses "Unsubscribe" there.
_NO_MORE = "No more letters"
_NO_MORE_OF = re.compile(r"\s*no more letters\s+(C\d{1,9}-\d{3,6})\s*", re.IGNORECASE)

_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")

#: Words of which one stands shortly before the day of return.
_CUE = re.compile(
    r"\b(until|till|back|return(s|ing)?|retour(nerai)?|from|to|zurück|wieder|bis|ab|jusqu.au|dès le|rentrerai"
    r"|hasta|regres\w*|vuelvo|fino|torn\w+|rientr\w+|até|volt\w+|retorn\w+|terug|tot|tillbaka"
    r"|tilbake|do|wrac\w+)\b",
    re.IGNORECASE,
)

_MONTHS = {
    1: "jan january januar janvier janv enero ene gennaio gen janeiro januari stycznia",
    2: "feb february februar février fevrier févr febrero febbraio fevereiro februari lutego",
    3: "mar march märz maerz mars marzo março maart marca",
    4: "apr april avril avr abril abr aprile kwietnia",
    5: "may mai mayo maggio mag maio mei maj maja",
    6: "jun june juni juin junio giugno giu junho czerwca",
    7: "jul july juli juillet juil julio luglio lug julho lipca",
    8: "aug august août aout agosto ago augustus augusti sierpnia",
    9: "sep sept september septembre septiembre settembre set setembro września",
    10: "oct october oktober okt octobre octubre ottobre ott outubro października",
    11: "nov november novembre noviembre novembro listopada",
    12: "dec december dezember dez décembre decembre diciembre dic dicembre dezembro grudnia",
}
_MONTH = {name: number for number, names in _MONTHS.items() for name in names.split()}
_NAMED = "|".join(sorted(_MONTH, key=len, reverse=True))
_DATE = re.compile(
    rf"(?P<iso>\b\d{{4}}-\d{{2}}-\d{{2}}\b)"
    rf"|\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.|er|º)?\s{{0,2}}(?:of |de )?(?P<month>{_NAMED})\.?\b"
    rf"(?:,?\s(?:de )?(?P<year>\d{{4}})\b)?"
    rf"|\b(?P<month2>{_NAMED})\.?\s(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s(?P<year2>\d{{4}})\b)?"
    rf"|\b(?P<day3>\d{{1,2}})[./-](?P<month3>\d{{1,2}})[./-](?P<year3>\d{{4}}|\d{{2}})\b",
    re.IGNORECASE,
)

#: Characters between such a word and the day.
_NEAR = 60
#: Days after which nobody says today when they are back.
_FARTHEST = timedelta(days=400)
#: Characters in which such things are looked for.
_LOOKED_AT = 20_000
_MOST_ADDRESSES = 3


def no_more_letters(reference: str) -> str:
    """The subject by which our letters offer to be told to stop, for `asks_to_stop` to know again."""
    return f"{_NO_MORE} {reference}"


def asks_to_stop(subject: str) -> str:
    """The reference of the letter whose recipient wants no more; nothing in any other subject."""
    found = _NO_MORE_OF.fullmatch(subject)
    return found[1].upper() if found else ""


def is_automatic(subject: str) -> bool:
    """Whether a subject is one that programs write for people who are away."""
    return _AUTOMATIC.match(subject.lstrip(" [(*")) is not None


def returns_on(text: str, today: date) -> date | None:
    """The day on which somebody says that they are back; of several the last. None where none is found.

    A day without a year is the next one of that name; days and months in figures are as in Britain.
    """
    text = text[:_LOOKED_AT]
    cues = [match.end() for match in _CUE.finditer(text)]
    found = [
        day
        for match in _DATE.finditer(text)
        if (day := _day(match, today)) and any(0 <= match.start() - cue <= _NEAR for cue in cues)
    ]
    return max((day for day in found if today <= day <= today + _FARTHEST), default=None)


def _day(match: re.Match[str], today: date) -> date | None:
    try:
        if match["iso"]:
            return date.fromisoformat(match["iso"])
        if match["day3"]:
            year = int(match["year3"])
            return date(year if year > 99 else 2000 + year, int(match["month3"]), int(match["day3"]))
        number, name = int(match["day"] or match["day2"]), (match["month"] or match["month2"]).lower()
        given = match["year"] or match["year2"]
        if given:
            return date(int(given), _MONTH[name], number)
        this_year = date(today.year, _MONTH[name], number)
        return this_year if this_year >= today else date(today.year + 1, _MONTH[name], number)
    except ValueError:  # no such day
        return None


def moved_to(text: str, known: set[str]) -> tuple[str, ...]:
    """Whom to write to in the place of somebody who has left; nothing when nobody is said to have.

    Args:
        known: addresses in lower case that are no news: who wrote, and ourselves.
    """
    text = text[:_LOOKED_AT]
    if not _LEFT.search(text):
        return ()
    return tuple(_others(text, known))[:_MOST_ADDRESSES]


def _others(text: str, known: set[str]) -> Iterator[str]:
    seen = set(known)
    for match in _ADDRESS.finditer(text):
        address = match[0].strip("'.").lower()
        if address not in seen:
            seen.add(address)
            yield address
