"""Indexes for what the sender and the figures ask while very many letters wait."""

from chassis.migrations import run

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

STATEMENTS = """
-- How many letters are of a state, and whether a campaign has any of it: without a look at the letters.
CREATE INDEX letters_state ON letters (state, campaign_id, channel);
-- To whom letters that wait go, and who cannot be reached: what is astray is found from either side.
CREATE INDEX letters_ready_to ON letters (contact_id, channel) WHERE state = 'ready';
CREATE INDEX contacts_without_mail ON contacts (id) WHERE name IS NULL OR coalesce(email, '') = '';
CREATE INDEX organisations_closed ON organisations (closed_on) WHERE closed_on IS NOT NULL;
"""


def upgrade() -> None:
    """Add the indexes."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
