"""What a page calls its fields, where it sums up what is wrong with a form."""

import re

import pytest

from chassis.web.naming import name_of, say_names

PAGE = """
<ul><li><a href="#{field}">{place}This is empty.</a></li></ul>
<label for="name">Your <b>full</b>
  name</label><input id="name">
<fieldset id="roles"><legend>What they are &amp; do</legend><label for="sort">Sort code</label></fieldset>
<label for="sort">Another one</label>
<label for="why">Why?</label><input id="why">
<input id="row-1" aria-label="Amount for case A">
<fieldset><legend>First</legend><label for="who-1">Who?</label></fieldset>
<fieldset><legend>Second</legend><label for="who-2">Who?</label></fieldset>
<label class="check"><input id="sure"> Yes, I am sure.</label>
"""


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("name", "Your full name: This is empty."),
        ("roles", "What they are &amp; do: This is empty."),
        ("sort", "Sort code: This is empty."),
        ("why", "Why? This is empty."),
        ("row-1", "Amount for case A: This is empty."),
        ("who-2", "Second, Who? This is empty."),
        ("sure", "This is empty."),
        ("gone", "This is empty."),
    ],
)
def test_a_fault_says_what_the_page_calls_its_field(field: str, said: str) -> None:
    page = say_names(PAGE.format(field=field, place=name_of(field)))
    assert f'<li><a href="#{field}">{said}</a></li>' in page


def test_what_somebody_typed_is_never_more_than_text() -> None:
    typed = f'<input value="{name_of("x")}"><label for="x">"&gt;&lt;script&gt;</label></fieldset>'
    assert say_names(typed).startswith('<input value="&quot;&gt;&lt;script&gt;: ">')


def test_faults_are_summed_up_in_the_order_of_the_page() -> None:
    def line(field: str, said: str) -> str:
        return f'<li><a href="#{field}">{name_of(field)}{said}</a><br>Mend it.</li>'

    read = [("why", "1"), ("name", "2"), ("roles", "3"), ("why", "4"), ("gone", "5"), ("row-1", "6")]
    page = say_names("<ul>" + "\n".join(line(*each) for each in read) + "</ul>" + PAGE)
    summary, rest = page.split("</ul>", 1)
    assert re.findall(r'href="#([^"]+)">[^<]*(\d)</a><br>Mend it.</li>', summary) == [
        *(("gone", "5"), ("name", "2"), ("roles", "3"), ("why", "1"), ("why", "4"), ("row-1", "6"))
    ]
    assert rest == say_names(PAGE)
