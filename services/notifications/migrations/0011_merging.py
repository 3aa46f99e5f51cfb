"""What a body was merged into, and what its successor took over; letters are found by their body."""

from chassis.migrations import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE organisations
    -- What the successor took over, as codes; what is not named here has ended.
    ADD COLUMN handed_over text[] NOT NULL DEFAULT '{}',
    -- The entry that this one was merged into. Letters follow there.
    ADD COLUMN merged_into uuid;
CREATE INDEX organisations_merged_into ON organisations (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX letters_organisation ON letters (organisation_id);
-- Released and then set aside: looked at again for as long as their campaign is being sent.
CREATE INDEX letters_set_aside ON letters (campaign_id) WHERE state = 'blocked' AND dated IS NOT NULL;
"""


def upgrade() -> None:
    """Add the columns and the indexes."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
