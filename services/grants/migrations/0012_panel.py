"""The panel: who sits on it, what they must not see, what they score, their meetings and what they decide."""

from chassis.migrations import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = """
-- Who decides in a round.
CREATE TABLE panel_members (
    round_id    uuid NOT NULL REFERENCES rounds,
    person_id   uuid NOT NULL,
    -- A reserve reads and scores like everybody, and counts only where they stand in for somebody.
    seat        text NOT NULL CHECK (seat IN ('member', 'reserve')),
    -- Codes: for applicants of these professions they are a peer.
    professions text[] NOT NULL,
    for_funder  boolean NOT NULL,
    invited_at  timestamptz NOT NULL,
    -- Nothing until they have answered.
    takes_part  boolean,
    answered_at timestamptz,
    left_at     timestamptz,
    version     integer NOT NULL DEFAULT 1,
    PRIMARY KEY (round_id, person_id)
);
CREATE INDEX panel_members_by_person ON panel_members (person_id);

-- That somebody has said what they are close to, or that there is nothing.
CREATE TABLE interests_said (
    person_id uuid PRIMARY KEY,
    said_at   timestamptz NOT NULL
);

-- Employers, teams and close people of panel members: sealed, because others are named in them.
CREATE TABLE interests (
    id         uuid PRIMARY KEY,
    person_id  uuid NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('employer', 'team', 'person')),
    sealed     bytea NOT NULL,
    said_at    timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX interests_of ON interests (person_id);

-- What the panel reads of an application: words without names, and what the papers show.
CREATE TABLE cases (
    application_id uuid PRIMARY KEY REFERENCES applications ON DELETE CASCADE,
    -- Random, and none of the numbers that the applicant knows: they tell neither who it is nor who came
    -- first, and none is missed where one is kept from somebody.
    id             uuid NOT NULL UNIQUE,
    label          text NOT NULL UNIQUE,
    words          text NOT NULL,
    papers         text NOT NULL,
    -- Nothing while it is being prepared.
    handed_at      timestamptz,
    handed_by      uuid,
    version        integer NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL
);

-- That a member is, or may be, too close to an applicant.
CREATE TABLE conflicts (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES applications ON DELETE CASCADE,
    person_id      uuid NOT NULL,
    source         text NOT NULL CHECK (source IN ('declared', 'ticked', 'derived', 'entered')),
    -- Nothing while it is only suggested.
    tie            text CHECK (tie IN ('self', 'family', 'team', 'referee', 'money', 'acquaintance')),
    state          text NOT NULL CHECK (state IN ('suggested', 'confirmed', 'dismissed')),
    -- Whether it keeps the case from them while it is only suggested. What they add when they may have it
    -- does not: a name would tell them whether its bearer applies.
    keeps          boolean NOT NULL DEFAULT true,
    -- The interest from which it was derived.
    interest_id    uuid REFERENCES interests,
    -- Why it was dismissed.
    words          text NOT NULL DEFAULT '',
    noticed_at     timestamptz NOT NULL,
    settled_at     timestamptz,
    settled_by     uuid,
    CHECK (state <> 'confirmed' OR tie IS NOT NULL),
    UNIQUE (application_id, person_id, source)
);
CREATE INDEX conflicts_of ON conflicts (person_id);

-- The firewall: from whom which application is kept. What is only suggested is kept from them as well, until
-- somebody has looked, unless that would tell them who applies. An acquaintance stays.
CREATE VIEW removals AS
SELECT DISTINCT application_id, person_id FROM conflicts
WHERE (state = 'confirmed' OR state = 'suggested' AND keeps) AND tie IS DISTINCT FROM 'acquaintance';

-- All that a member may ever see of applications. Whatever is made for members reads cases here alone.
CREATE FUNCTION cases_for(viewer uuid) RETURNS TABLE (
    application_id uuid, round_id uuid, id uuid, label text, profession text, purpose text,
    amount_pence bigint, exam_on date, words text, papers text
) LANGUAGE sql STABLE AS $$
    SELECT cases.application_id, applications.round_id, cases.id, cases.label, applications.profession,
           applications.purpose, applications.amount_pence, applications.exam_on, cases.words, cases.papers
    FROM panel_members
    JOIN applications ON applications.round_id = panel_members.round_id
    JOIN cases ON cases.application_id = applications.id
    WHERE panel_members.person_id = viewer AND takes_part AND left_at IS NULL
        AND handed_at IS NOT NULL AND applications.state IN (
            'under_review', 'deferred', 'awarded', 'declined', 'accepted', 'paid', 'reported'
        )
        AND NOT EXISTS (
            SELECT FROM removals
            WHERE removals.application_id = applications.id AND removals.person_id = viewer
        )
$$;

-- What a member says of a case.
CREATE TABLE reviews (
    application_id uuid NOT NULL REFERENCES applications ON DELETE CASCADE,
    person_id      uuid NOT NULL,
    comment        text NOT NULL DEFAULT '',
    -- Nothing while they are at it. Until then nobody else's are shown to them.
    submitted_at   timestamptz,
    version        integer NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (application_id, person_id)
);
CREATE INDEX reviews_by_person ON reviews (person_id);

CREATE TABLE scores (
    application_id uuid NOT NULL,
    person_id      uuid NOT NULL,
    criterion_id   uuid NOT NULL REFERENCES criteria,
    -- Nothing where they cannot judge: that is not counted.
    score          smallint CHECK (score BETWEEN 0 AND 5),
    PRIMARY KEY (application_id, person_id, criterion_id),
    FOREIGN KEY (application_id, person_id) REFERENCES reviews ON DELETE CASCADE
);

CREATE TABLE meetings (
    id       uuid PRIMARY KEY,
    round_id uuid NOT NULL REFERENCES rounds,
    begun_at timestamptz NOT NULL,
    begun_by uuid NOT NULL,
    ended_at timestamptz,
    version  integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX one_meeting_at_a_time ON meetings (round_id) WHERE ended_at IS NULL;

CREATE TABLE attendance (
    meeting_id uuid NOT NULL REFERENCES meetings,
    person_id  uuid NOT NULL,
    arrived_at timestamptz NOT NULL,
    left_at    timestamptz,
    PRIMARY KEY (meeting_id, person_id, arrived_at)
);

-- What a meeting looks at. The present one is, for each viewer, what was opened last of those they may see.
CREATE TABLE items (
    meeting_id     uuid NOT NULL REFERENCES meetings,
    application_id uuid NOT NULL REFERENCES applications ON DELETE CASCADE,
    opened_at      timestamptz,
    PRIMARY KEY (meeting_id, application_id)
);

-- The meetings that are there for a member: those that look at something they may see. One that was begun for
-- a case that is kept from them never was.
CREATE FUNCTION meetings_for(viewer uuid) RETURNS TABLE (meeting_id uuid) LANGUAGE sql STABLE AS $$
    SELECT DISTINCT items.meeting_id FROM cases_for(viewer) AS seen JOIN items USING (application_id)
$$;

-- A reserve stands in for this one item.
CREATE TABLE stand_ins (
    meeting_id     uuid NOT NULL,
    application_id uuid NOT NULL,
    person_id      uuid NOT NULL,
    PRIMARY KEY (meeting_id, application_id, person_id),
    FOREIGN KEY (meeting_id, application_id) REFERENCES items ON DELETE CASCADE
);

-- What was decided, each once. Another one on the same application has the next number; the last counts.
CREATE TABLE decisions (
    id             uuid PRIMARY KEY,
    application_id uuid NOT NULL REFERENCES applications,
    number         smallint NOT NULL CHECK (number > 0),
    meeting_id     uuid NOT NULL REFERENCES meetings,
    kind           text NOT NULL CHECK (kind IN ('award', 'decline', 'defer')),
    amount_pence   bigint CHECK (amount_pence > 0),
    -- Who counted for it, who had stepped out, and whose acquaintance was noted.
    present        uuid[] NOT NULL,
    stepped_out    uuid[] NOT NULL,
    acquainted     uuid[] NOT NULL,
    -- Figures that it rests on: means, weights, quorum.
    basis          jsonb NOT NULL,
    decided_by     uuid NOT NULL,
    decided_at     timestamptz NOT NULL,
    UNIQUE (application_id, number),
    CHECK ((kind = 'award') = (amount_pence IS NOT NULL))
);
CREATE INDEX decisions_of_meeting ON decisions (meeting_id);

CREATE FUNCTION refuse_to_change_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a decision is only followed by another one';
END $$;

CREATE TRIGGER decisions_are_only_added_to BEFORE UPDATE OR DELETE ON decisions
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_decisions();
CREATE TRIGGER decisions_are_never_emptied BEFORE TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_decisions();

-- What the applicant is told: apart, because it is forgotten with them.
CREATE TABLE reasons (
    decision_id uuid PRIMARY KEY REFERENCES decisions,
    words       text NOT NULL,
    -- Why it is another one than before. For the minutes.
    why_changed text NOT NULL DEFAULT ''
);

-- Why a decision stands although somebody who had a part in it came out to be too close afterwards.
CREATE TABLE upheld (
    decision_id uuid NOT NULL REFERENCES decisions,
    person_id   uuid NOT NULL,
    words       text NOT NULL,
    said_by     uuid NOT NULL,
    said_at     timestamptz NOT NULL,
    PRIMARY KEY (decision_id, person_id)
);

-- Decisions in which somebody counted, or gave a score, who is or may be too close after all: until another
-- one is recorded, it is said why it stands, or the conflict is dismissed.
CREATE VIEW doubted AS
SELECT DISTINCT ON (last.id, conflicts.person_id)
    last.id AS decision_id, last.application_id, conflicts.person_id, conflicts.id AS conflict_id,
    conflicts.state
FROM (SELECT DISTINCT ON (application_id) * FROM decisions ORDER BY application_id, number DESC) AS last
JOIN conflicts USING (application_id)
WHERE kind <> 'defer' AND state <> 'dismissed' AND tie IS DISTINCT FROM 'acquaintance'
    AND (person_id = ANY(present)
        OR basis->'scores' @> jsonb_build_array(jsonb_build_object('person', person_id::text)))
    AND NOT EXISTS (
        SELECT FROM upheld WHERE decision_id = last.id AND upheld.person_id = conflicts.person_id
    )
ORDER BY last.id, conflicts.person_id, conflicts.state, conflicts.id;

CREATE TABLE awards (
    application_id uuid PRIMARY KEY REFERENCES applications,
    fund_id        uuid NOT NULL REFERENCES funds,
    amount_pence   bigint NOT NULL CHECK (amount_pence > 0),
    offered_at     timestamptz NOT NULL,
    -- The last day on which it can be accepted.
    answer_by      date NOT NULL,
    accepted_at    timestamptz,
    version        integer NOT NULL DEFAULT 1
);
CREATE INDEX awards_of_fund ON awards (fund_id);

-- What stands for all there is to see of each item of a meeting, and changes when that does.
CREATE FUNCTION item_marks(meeting uuid) RETURNS TABLE (application_id uuid, mark text)
LANGUAGE sql STABLE AS $$
    SELECT items.application_id, md5(concat_ws(
        '/', items.opened_at,
        (SELECT max(number) FROM decisions WHERE decisions.application_id = items.application_id),
        (SELECT string_agg(person_id::text, ',' ORDER BY person_id) FROM stand_ins
         WHERE meeting_id = meeting AND stand_ins.application_id = items.application_id),
        (SELECT string_agg(concat_ws(':', person_id, version), ',' ORDER BY person_id) FROM reviews
         WHERE reviews.application_id = items.application_id AND submitted_at IS NOT NULL),
        (SELECT string_agg(concat_ws(':', person_id, state, tie), ',' ORDER BY person_id, source)
         FROM conflicts WHERE conflicts.application_id = items.application_id
            AND (state = 'confirmed' OR state = 'suggested' AND keeps))
    ))
    FROM items WHERE meeting_id = meeting
$$;

-- Wakes whoever looks at a meeting, at commit; each then sees for themselves whether it concerns them.
CREATE FUNCTION wake_meetings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('live', 'meetings');
    RETURN NULL;
END $$;
"""

#: Whatever is seen at a meeting.
_SEEN = (
    *("meetings", "attendance", "items", "stand_ins", "decisions", "upheld", "reviews", "conflicts", "cases"),
    *("panel_members", "fund_balances"),
)

WAKING = "\n".join(
    f"CREATE TRIGGER wakes_meetings AFTER INSERT OR UPDATE OR DELETE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION wake_meetings();"
    for table in _SEEN
)


def upgrade() -> None:
    """Make the tables, the firewall among them."""
    run(STATEMENTS + WAKING)


def downgrade() -> None:
    """Changes only go forward."""
    raise NotImplementedError("Changes only go forward: restore a backup instead.")
