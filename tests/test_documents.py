"""Documents made from the code are as the code would make them now."""

import re
from pathlib import Path

from services.documents import SETTINGS, settings_page

ROOT = Path(__file__).parent.parent


def test_the_page_of_settings_is_fresh() -> None:
    assert SETTINGS.read_text(encoding="utf-8") == settings_page(), "Run: make generate"


def test_every_file_that_the_documents_name_exists() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"


def test_every_module_that_the_readme_names_exists() -> None:
    named = re.findall(r"`([a-z]+/[a-z_/]+\.py)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
