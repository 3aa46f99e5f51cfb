"""The same letters by WeasyPrint, in as many processes as there are processors.

Tagged for PDF/UA like ours, on the same page, with the same QR code. Style sheet and fonts are read once.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

from jinja2 import Environment

_STYLE = """
@page { size: A4; margin: 15mm 22mm 17mm }
body { font: 10.5pt/1.35 "Libertinus Serif", "DejaVu Serif", serif; margin: 0 }
header { display: flex; justify-content: space-between; border-bottom: 1.4pt solid #0f4c4a; height: 28mm }
header h1 { font-size: 22pt; color: #0f4c4a; margin: 0 }
address { font-style: normal; height: 24mm; margin-top: 14mm }
h2 { font-size: 10.5pt }
.answer { display: flex; background: #eef3f3; border-left: 2.4pt solid #0f4c4a; padding: 3mm }
.answer svg { width: 23mm; height: 23mm }
small { color: #4a4a4a; font-size: 8.5pt }
"""
_PAGE = """<!doctype html><html lang="{{ language }}"><head><title>{{ subject }}</title></head><body>
<header><h1>{{ house.name }}</h1>
<div>{{ house.number }}<br>{{ house.contact | join("<br>" | safe) }}</div></header>
<address>{{ recipient | join("<br>" | safe) }}</address><p>{{ dated }}<br>Our reference {{ reference }}</p>
<h2>{{ subject }}</h2>
{% for part in body %}{% if part.list %}<ul>{% for line in part.lines %}<li>{{ line }}</li>{% endfor %}</ul>
{% else %}<p>{{ part.lines | join("<br>" | safe) }}</p>{% endif %}{% endfor %}
<p>{{ closing }}</p><p><b>{{ signatory.name }}</b><br>{{ signatory.position }}</p>
<div class="answer"><div><b>Please answer: it takes one minute</b><p>{{ answer }}</p>
<p><a href="{{ url }}">{{ url }}</a></p></div>{{ qr | safe }}</div>
{% for note in notes %}<p><small>{{ note }}</small></p>{% endfor %}</body></html>"""


@cache
def _press() -> tuple[Any, Any, Any]:
    """The template, the style sheet and the fonts, once for each process."""
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

    fonts = FontConfiguration()
    return Environment(autoescape=True).from_string(_PAGE), CSS(string=_STYLE, font_config=fonts), fonts


def print_letter(values: Mapping[str, Any]) -> bytes:
    """The PDF of one letter."""
    from weasyprint import HTML

    template, style, fonts = _press()
    page = HTML(string=template.render(values))
    pdf: bytes = page.write_pdf(stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1")
    return pdf


def pool(workers: int) -> ProcessPoolExecutor:
    """Processes that print; warm them up before measuring."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def print_all(processes: ProcessPoolExecutor, letters: Sequence[Mapping[str, Any]]) -> None:
    assert all(len(pdf) > 5_000 for pdf in processes.map(print_letter, letters, chunksize=10))
