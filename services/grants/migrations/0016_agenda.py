"""Long rounds: the agenda of a meeting in its order, kept as it changes, and desks counted from indexes."""

from chassis.migrations import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = """
-- What a member has to read and has done is counted on each page of theirs: from indexes alone.
CREATE INDEX applications_with_panel ON applications (round_id, id) WHERE state IN (
    'under_review', 'deferred', 'awarded', 'declined', 'accepted', 'paid', 'reported'
);
CREATE INDEX cases_handed_over ON cases (application_id) WHERE handed_at IS NOT NULL;
CREATE INDEX reviews_counted ON reviews (person_id, application_id) INCLUDE (submitted_at);
DROP INDEX reviews_by_person;

-- Kept with an item, so that a page reads no more of a long agenda than it shows.
ALTER TABLE items
    ADD COLUMN label   text NOT NULL DEFAULT '',
    -- Minus its weighted mean; 1 without one. By this and then by the label it is ranked, the lowest first.
    ADD COLUMN low     numeric NOT NULL DEFAULT 1,
    -- In this meeting.
    ADD COLUMN decided boolean NOT NULL DEFAULT false;
CREATE INDEX items_in_order ON items (meeting_id, decided, low, label);
CREATE INDEX items_opened ON items (meeting_id, opened_at, label) WHERE opened_at IS NOT NULL;
CREATE INDEX items_of_application ON items (application_id);

CREATE AGGREGATE product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');

-- By what an item is ranked; scoring.py says the same.
--
-- A mean is a fraction, whose denominator is at most the sum of the weights times the number of scores for
-- each criterion. Two that differ do so by one part in the product of their denominators at the least: with
-- 8 criteria, weights up to 100 and 500 members by more than 1e-50. Cut off there, they stand in their order,
-- and the same mean stays the same.
CREATE FUNCTION low_of(meeting uuid, application uuid) RETURNS numeric LANGUAGE sql STABLE AS $$
    WITH given AS (
        SELECT weight::numeric AS weight, sum(score)::numeric AS total, count(*)::numeric AS scores
        FROM meetings
        JOIN panel_members USING (round_id)
        JOIN reviews ON reviews.application_id = application AND reviews.person_id = panel_members.person_id
        JOIN scores ON scores.application_id = application AND scores.person_id = panel_members.person_id
        JOIN criteria ON criteria.id = criterion_id
        WHERE meetings.id = meeting AND takes_part AND left_at IS NULL AND submitted_at IS NOT NULL
            AND score IS NOT NULL AND NOT EXISTS (
                SELECT FROM removals
                WHERE removals.application_id = application AND removals.person_id = panel_members.person_id
            )
            AND (seat = 'member' OR EXISTS (
                SELECT FROM stand_ins
                WHERE stand_ins.meeting_id = meeting AND stand_ins.application_id = application
                    AND stand_ins.person_id = panel_members.person_id
            ))
        GROUP BY criteria.id
    ), common AS (
        SELECT product(scores) AS denominator FROM given
    )
    SELECT coalesce(-div(sum(weight * total * div(denominator, scores)) * 1e50, sum(weight * denominator)), 1)
    FROM given CROSS JOIN common
$$;

-- Rank the items of these applications in meetings that go on.
CREATE FUNCTION rank_items(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Whoever changes what a mean is made of waits here for whoever else does, and then sees what they did.
    PERFORM FROM cases WHERE application_id = ANY(ids) ORDER BY application_id FOR NO KEY UPDATE;
    UPDATE items SET label = cases.label, low = low_of(items.meeting_id, items.application_id)
    FROM meetings, cases
    WHERE items.application_id = ANY(ids) AND meetings.id = items.meeting_id AND ended_at IS NULL
        AND cases.application_id = items.application_id;
END $$;

CREATE FUNCTION ranks_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rank_items(ARRAY(SELECT DISTINCT application_id FROM changed));
    RETURN NULL;
END $$;

CREATE FUNCTION ranks_follow_panel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM rank_items(ARRAY(
        SELECT DISTINCT application_id
        FROM changed JOIN meetings USING (round_id) JOIN items ON meeting_id = meetings.id
        WHERE ended_at IS NULL
    ));
    RETURN NULL;
END $$;
CREATE TRIGGER ranks_follow AFTER UPDATE ON panel_members REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION ranks_follow_panel();

CREATE FUNCTION items_are_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE items SET decided = true FROM changed
    WHERE items.meeting_id = changed.meeting_id AND items.application_id = changed.application_id;
    RETURN NULL;
END $$;
CREATE TRIGGER items_are_decided AFTER INSERT ON decisions REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION items_are_decided();

-- Whether those who are at a meeting may decide: on any case of this profession; or on this one, for which
-- some may have to go. quorum.py says the same, and what is missing.
CREATE FUNCTION may_decide(meeting uuid, wanted text, application uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT count(person_id) >= coalesce(quorum, 1)
        AND (NOT needs_peer OR coalesce(bool_or(wanted = ANY(counted.professions)), false))
        AND (NOT needs_funder OR coalesce(bool_or(for_funder), false))
    FROM meetings
    JOIN rounds ON rounds.id = round_id
    LEFT JOIN panel_members AS counted ON counted.round_id = rounds.id AND takes_part AND left_at IS NULL
        AND EXISTS (
            SELECT FROM attendance
            WHERE meeting_id = meeting AND attendance.person_id = counted.person_id
                AND attendance.left_at IS NULL
        )
        AND NOT EXISTS (
            SELECT FROM removals WHERE application_id = application AND removals.person_id = counted.person_id
        )
        AND (seat = 'member' OR EXISTS (
            SELECT FROM stand_ins
            WHERE meeting_id = meeting AND application_id = application
                AND stand_ins.person_id = counted.person_id
        ))
    WHERE meetings.id = meeting
    GROUP BY rounds.id
$$;

UPDATE items SET label = cases.label, decided = EXISTS (
    SELECT FROM decisions
    WHERE decisions.meeting_id = items.meeting_id AND decisions.application_id = items.application_id
)
FROM cases WHERE cases.application_id = items.application_id;
SELECT rank_items(ARRAY(SELECT DISTINCT application_id FROM items));
"""

#: What a mean is made of, and what may happen to it.
_OF_MEANS = {
    "items": ("INSERT",),
    "reviews": ("INSERT", "UPDATE", "DELETE"),
    "scores": ("INSERT", "UPDATE", "DELETE"),
    "conflicts": ("INSERT", "UPDATE", "DELETE"),
    "stand_ins": ("INSERT", "DELETE"),
}

FOLLOWING = "\n".join(
    f"CREATE TRIGGER ranks_follow_{event.lower()} AFTER {event} ON {table}"
    f" REFERENCING {'OLD' if event == 'DELETE' else 'NEW'} TABLE AS changed"
    " FOR EACH STATEMENT EXECUTE FUNCTION ranks_follow();"
    for table, events in _OF_MEANS.items()
    for event in events
)


def upgrade() -> None:
    """Keep the order, and add the indexes."""
    run(STATEMENTS + FOLLOWING)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
