"""Documents made from the code are as the code would make them now."""

import re
from pathlib import Path

from chassis.definitions import as_text, definitions
from chassis.inbox import REASONS
from services.documents import DEFINITIONS, RUNBOOK, RUNBOOK_PAGE, SETTINGS, runbook_page, settings_page

ROOT = Path(__file__).parent.parent


def test_the_page_of_settings_is_fresh() -> None:
    assert SETTINGS.read_text(encoding="utf-8") == settings_page(), "Run: make generate"


def test_the_definitions_for_rabbitmq_are_fresh() -> None:
    assert DEFINITIONS.read_text(encoding="utf-8") == as_text(definitions()), "Run: make generate"


def test_the_runbook_as_a_page_is_fresh() -> None:
    assert RUNBOOK_PAGE.read_text(encoding="utf-8") == runbook_page(), "Run: make generate"


def test_the_runbook_says_of_each_reason_what_to_do() -> None:
    """One of them has a part of its own: the alert for it is another."""
    part = RUNBOOK.read_text(encoding="utf-8").split("### EventsParked")[1].split("###")[0]
    assert {reason for reason in REASONS if f"`{reason}`" not in part} == {"dead_lettered"}


def test_every_file_that_the_documents_name_exists() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"


def test_every_module_that_the_readme_names_exists() -> None:
    named = re.findall(r"`([a-z]+/[a-z_/]+\.py)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
