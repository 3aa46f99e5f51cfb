"""What every page for applicants shows around its own: whom to ask, how we deal with what they write."""

from collections.abc import Mapping
from typing import Any

from chassis.context import Context
from services.grants.held import TERMS


def frame(context: Context, round_row: Mapping[str, Any]) -> dict[str, Any]:
    """The round with whom they may ring, and for how many months what is kept."""
    kept = {term.what: term.kept_for(context.settings) for term in TERMS}
    return {"round": round_row, "drafts_kept": kept["drafts"], "applications_kept": kept["applications"]}
