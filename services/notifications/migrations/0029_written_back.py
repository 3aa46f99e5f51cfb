"""What of a pledge will not come, as Grants says it; and bodies of whose pledges nothing will."""

from chassis.migrations import run

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE answers ADD COLUMN written_back_pence bigint NOT NULL DEFAULT 0
    CONSTRAINT answers_written_back_of_a_pledge
    CHECK (written_back_pence BETWEEN 0 AND coalesce(pledge_pence, 0));
-- Their best answer is a pledge, and nothing of what they pledged will come.
ALTER TABLE bodies ADD COLUMN written_back boolean NOT NULL DEFAULT false;

-- A pledge may still come, or has come in part, until all of it is written back; but not one that was never
-- confirmed and whose place a later answer has taken.
CREATE FUNCTION bodies_written_back() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
    NEW.written_back := NEW.answer = 'pledged' AND coalesce((
        SELECT bool_and(a.written_back_pence = a.pledge_pence)
        FROM letters l JOIN answers a ON a.letter_id = l.id
        WHERE l.organisation_id = NEW.organisation_id AND l.campaign_id IS NOT DISTINCT FROM NEW.campaign_id
            AND a.kind = 'pledge' AND a.corrected_at IS NULL AND (
                a.confirmed_at IS NOT NULL OR NOT EXISTS (
                    SELECT FROM answers n
                    WHERE n.letter_id = a.letter_id AND n.kind IN ('pledge', 'decline')
                        AND n.corrected_at IS NULL AND (n.at, n.id) > (a.at, a.id)))
    ), false);
    RETURN NEW;
END $$;
-- Whatever is done to a letter or an answer sums up its body again.
CREATE TRIGGER bodies_written_back BEFORE UPDATE ON bodies FOR EACH ROW
WHEN (NEW.answer = 'pledged' OR OLD.written_back) EXECUTE FUNCTION bodies_written_back();
"""


def upgrade() -> None:
    """Add the columns, and what keeps that of the bodies."""
    run(STATEMENTS)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
