"""Who may do something, in words: for whoever may not, so that they know whom to ask."""

from contracts.access import ROLES, Action, Role, may
from services.notifications.domain import and_words


def roles_that_may(action: Action) -> str:
    """The names of the roles, as they end a sentence: Staff and Outreach."""
    return and_words([ROLES[role][0] for role in Role if may(action, [role])])
