"""Whoever has a letter may ask for no more by mail, in the way that the letter offers."""

from chassis.migrations import run

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE incoming
    DROP CONSTRAINT incoming_kind_check,
    ADD CONSTRAINT incoming_kind_check CHECK (
        kind IN ('answer', 'stop', 'auto_reply', 'bounce', 'notice', 'unreadable')
    );
ALTER TABLE stops
    DROP CONSTRAINT stops_way_check,
    ADD CONSTRAINT stops_way_check CHECK (
        way IN ('page', 'one_click', 'mail', 'email', 'post', 'telephone', 'person')
    );
"""


def upgrade() -> None:
    """Let both stand there; what there is stays as it was."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
