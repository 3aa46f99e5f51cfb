


SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;


CREATE FUNCTION public.cases_for(viewer uuid) RETURNS TABLE(application_id uuid, round_id uuid, id uuid, label text, profession text, purpose text, amount_pence bigint, exam_on date, words text, papers text)
    LANGUAGE sql STABLE
    AS $$
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



CREATE FUNCTION public.item_marks(meeting uuid) RETURNS TABLE(application_id uuid, mark text)
    LANGUAGE sql STABLE
    AS $$
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



CREATE FUNCTION public.items_are_decided() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE items SET decided = true FROM changed
    WHERE items.meeting_id = changed.meeting_id AND items.application_id = changed.application_id;
    RETURN NULL;
END $$;



CREATE FUNCTION public.low_of(meeting uuid, application uuid) RETURNS numeric
    LANGUAGE sql STABLE
    AS $$
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



CREATE FUNCTION public.may_decide(meeting uuid, wanted text, application uuid) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
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



CREATE FUNCTION public.meetings_for(viewer uuid) RETURNS TABLE(meeting_id uuid)
    LANGUAGE sql STABLE
    AS $$
    SELECT DISTINCT items.meeting_id FROM cases_for(viewer) AS seen JOIN items USING (application_id)
$$;



CREATE FUNCTION public.rank_items(ids uuid[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    -- Whoever changes what a mean is made of waits here for whoever else does, and then sees what they did.
    PERFORM FROM cases WHERE application_id = ANY(ids) ORDER BY application_id FOR NO KEY UPDATE;
    UPDATE items SET label = cases.label, low = low_of(items.meeting_id, items.application_id)
    FROM meetings, cases
    WHERE items.application_id = ANY(ids) AND meetings.id = items.meeting_id AND ended_at IS NULL
        AND cases.application_id = items.application_id;
END $$;



CREATE FUNCTION public.ranks_follow() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM rank_items(ARRAY(SELECT DISTINCT application_id FROM changed));
    RETURN NULL;
END $$;



CREATE FUNCTION public.ranks_follow_panel() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM rank_items(ARRAY(
        SELECT DISTINCT application_id
        FROM changed JOIN meetings USING (round_id) JOIN items ON meeting_id = meetings.id
        WHERE ended_at IS NULL
    ));
    RETURN NULL;
END $$;



CREATE FUNCTION public.refuse_to_change_decisions() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'a decision is only followed by another one';
END $$;



CREATE FUNCTION public.refuse_to_change_the_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to';
END $$;



CREATE FUNCTION public.refuse_to_change_the_ledger() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to';
END $$;



CREATE FUNCTION public.wake_meetings() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_notify('live', 'meetings');
    RETURN NULL;
END $$;



CREATE AGGREGATE public.product(numeric) (
    SFUNC = numeric_mul,
    STYPE = numeric,
    INITCOND = '1'
);


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);



CREATE TABLE public.applicants (
    application_id uuid NOT NULL,
    sealed bytea NOT NULL,
    email_digest bytea NOT NULL,
    name_digest bytea,
    telephone_digest bytea,
    person_digest bytea
);



CREATE TABLE public.application_steps (
    application_id uuid NOT NULL,
    number smallint NOT NULL,
    state text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    person_id uuid,
    rule text,
    words text DEFAULT ''::text NOT NULL,
    CONSTRAINT application_steps_number_check CHECK ((number > 0))
);



CREATE TABLE public.applications (
    id uuid NOT NULL,
    round_id uuid NOT NULL,
    reference text NOT NULL,
    state text DEFAULT 'draft'::text NOT NULL,
    link_number integer DEFAULT 1 NOT NULL,
    link_digest bytea,
    browser_digest bytea,
    begun_from bytea,
    profession text,
    qualified_abroad boolean,
    area text,
    purpose text,
    amount_pence bigint,
    exam_on date,
    exam_passed boolean,
    status_met boolean,
    words text DEFAULT ''::text NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    link_sent_at timestamp with time zone NOT NULL,
    reminded_at timestamp with time zone,
    submitted_at timestamp with time zone,
    scrubbed_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT applications_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT applications_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'submitted'::text, 'returned'::text, 'eligible'::text, 'ineligible'::text, 'under_review'::text, 'awarded'::text, 'declined'::text, 'deferred'::text, 'accepted'::text, 'paid'::text, 'reported'::text, 'withdrawn'::text, 'lapsed'::text])))
);



CREATE TABLE public.attendance (
    meeting_id uuid NOT NULL,
    person_id uuid NOT NULL,
    arrived_at timestamp with time zone NOT NULL,
    left_at timestamp with time zone
);



CREATE TABLE public.audit (
    number bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    person_id uuid,
    session_id uuid,
    source text NOT NULL,
    action text NOT NULL,
    kind text NOT NULL,
    object text NOT NULL,
    before jsonb,
    after jsonb,
    cause text,
    digest text NOT NULL,
    CONSTRAINT audit_number_check CHECK ((number > 0))
);



CREATE TABLE public.audit_heads (
    week date NOT NULL,
    number bigint NOT NULL,
    digest text NOT NULL,
    told_at timestamp with time zone NOT NULL
);



CREATE TABLE public.award_papers (
    file_id uuid NOT NULL,
    application_id uuid NOT NULL,
    kind text NOT NULL,
    added_at timestamp with time zone NOT NULL,
    returned_at timestamp with time zone,
    CONSTRAINT award_papers_kind_check CHECK ((kind = ANY (ARRAY['booking'::text, 'invoice'::text, 'receipt'::text])))
);



CREATE TABLE public.award_steps (
    application_id uuid NOT NULL,
    number smallint NOT NULL,
    what text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    person_id uuid,
    amount_pence bigint,
    day date,
    words text DEFAULT ''::text NOT NULL,
    CONSTRAINT award_steps_number_check CHECK ((number > 0))
);



CREATE TABLE public.awards (
    application_id uuid NOT NULL,
    fund_id uuid NOT NULL,
    amount_pence bigint NOT NULL,
    offered_at timestamp with time zone NOT NULL,
    answer_by date NOT NULL,
    accepted_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    payee text,
    invoice text DEFAULT ''::text NOT NULL,
    reminded_at timestamp with time zone,
    proof_seen_at timestamp with time zone,
    exam_on date,
    paid_on date,
    asked smallint DEFAULT 0 NOT NULL,
    asked_at timestamp with time zone,
    receipt_seen_at timestamp with time zone,
    waived_at timestamp with time zone,
    published_as uuid DEFAULT gen_random_uuid() NOT NULL,
    invoice_pence bigint,
    proof_wrong text DEFAULT ''::text NOT NULL,
    CONSTRAINT awards_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT awards_invoice_pence_check CHECK ((invoice_pence > 0)),
    CONSTRAINT awards_payee_check CHECK ((payee = ANY (ARRAY['person'::text, 'exam_body'::text])))
);



CREATE TABLE public.bank_details (
    application_id uuid NOT NULL,
    sealed bytea NOT NULL,
    given_at timestamp with time zone NOT NULL
);



CREATE TABLE public.organisations (
    id uuid NOT NULL,
    name text NOT NULL,
    closed_on date,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    merged_into uuid
);



CREATE VIEW public.bodies AS
 SELECT known.id,
    COALESCE(surviving.id, known.id) AS shown_id,
    COALESCE(surviving.name, known.name) AS name
   FROM (public.organisations known
     LEFT JOIN public.organisations surviving ON ((surviving.id = known.merged_into)));



CREATE TABLE public.cases (
    application_id uuid NOT NULL,
    id uuid NOT NULL,
    label text NOT NULL,
    words text NOT NULL,
    papers text NOT NULL,
    handed_at timestamp with time zone,
    handed_by uuid,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone NOT NULL
);



CREATE TABLE public.colleagues (
    person_id uuid NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    sealed bytea,
    email_digest bytea,
    CONSTRAINT colleagues_check CHECK (((sealed IS NULL) = (email_digest IS NULL))),
    CONSTRAINT colleagues_email_digest_check CHECK ((octet_length(email_digest) = 32))
);



CREATE TABLE public.commitments (
    award_id uuid NOT NULL,
    fund_id uuid NOT NULL,
    committed_pence bigint DEFAULT 0 NOT NULL,
    released_pence bigint DEFAULT 0 NOT NULL,
    paid_pence bigint DEFAULT 0 NOT NULL,
    returned_pence bigint DEFAULT 0 NOT NULL,
    CONSTRAINT award_not_overspent CHECK (((released_pence + paid_pence) <= committed_pence)),
    CONSTRAINT award_returned_was_paid CHECK ((returned_pence <= paid_pence)),
    CONSTRAINT commitments_released_pence_check CHECK ((released_pence >= 0)),
    CONSTRAINT commitments_returned_pence_check CHECK ((returned_pence >= 0))
);



CREATE TABLE public.conflicts (
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    person_id uuid NOT NULL,
    source text NOT NULL,
    tie text,
    state text NOT NULL,
    keeps boolean DEFAULT true NOT NULL,
    interest_id uuid,
    words text DEFAULT ''::text NOT NULL,
    noticed_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    settled_by uuid,
    CONSTRAINT conflicts_check CHECK (((state <> 'confirmed'::text) OR (tie IS NOT NULL))),
    CONSTRAINT conflicts_source_check CHECK ((source = ANY (ARRAY['declared'::text, 'ticked'::text, 'derived'::text, 'entered'::text]))),
    CONSTRAINT conflicts_state_check CHECK ((state = ANY (ARRAY['suggested'::text, 'confirmed'::text, 'dismissed'::text]))),
    CONSTRAINT conflicts_tie_check CHECK ((tie = ANY (ARRAY['self'::text, 'family'::text, 'team'::text, 'referee'::text, 'money'::text, 'acquaintance'::text])))
);



CREATE TABLE public.contributions (
    id uuid NOT NULL,
    fund_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    pledge_id uuid,
    amount_pence bigint NOT NULL,
    received_on date NOT NULL,
    bank_reference text NOT NULL,
    entered_by uuid,
    refunded_pence bigint DEFAULT 0 NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    entered_at timestamp with time zone NOT NULL,
    CONSTRAINT contributions_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT contributions_check CHECK (((refunded_pence >= 0) AND (refunded_pence <= amount_pence)))
);



CREATE TABLE public.criteria (
    id uuid NOT NULL,
    round_id uuid NOT NULL,
    number smallint NOT NULL,
    name text NOT NULL,
    weight smallint NOT NULL,
    words text[] NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT criteria_number_check CHECK ((number > 0)),
    CONSTRAINT criteria_weight_check CHECK (((weight >= 1) AND (weight <= 100))),
    CONSTRAINT criteria_words_check CHECK ((cardinality(words) = 6))
);



CREATE TABLE public.decisions (
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    number smallint NOT NULL,
    meeting_id uuid NOT NULL,
    kind text NOT NULL,
    amount_pence bigint,
    present uuid[] NOT NULL,
    stepped_out uuid[] NOT NULL,
    acquainted uuid[] NOT NULL,
    basis jsonb NOT NULL,
    decided_by uuid NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    CONSTRAINT decisions_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT decisions_check CHECK (((kind = 'award'::text) = (amount_pence IS NOT NULL))),
    CONSTRAINT decisions_kind_check CHECK ((kind = ANY (ARRAY['award'::text, 'decline'::text, 'defer'::text]))),
    CONSTRAINT decisions_number_check CHECK ((number > 0))
);



CREATE TABLE public.upheld (
    decision_id uuid NOT NULL,
    person_id uuid NOT NULL,
    words text NOT NULL,
    said_by uuid NOT NULL,
    said_at timestamp with time zone NOT NULL
);



CREATE VIEW public.doubted AS
 SELECT DISTINCT ON (last.id, conflicts.person_id) last.id AS decision_id,
    last.application_id,
    conflicts.person_id,
    conflicts.id AS conflict_id,
    conflicts.state
   FROM (( SELECT DISTINCT ON (decisions.application_id) decisions.id,
            decisions.application_id,
            decisions.number,
            decisions.meeting_id,
            decisions.kind,
            decisions.amount_pence,
            decisions.present,
            decisions.stepped_out,
            decisions.acquainted,
            decisions.basis,
            decisions.decided_by,
            decisions.decided_at
           FROM public.decisions
          ORDER BY decisions.application_id, decisions.number DESC) last
     JOIN public.conflicts USING (application_id))
  WHERE ((last.kind <> 'defer'::text) AND (conflicts.state <> 'dismissed'::text) AND (conflicts.tie IS DISTINCT FROM 'acquaintance'::text) AND ((conflicts.person_id = ANY (last.present)) OR ((last.basis -> 'scores'::text) @> jsonb_build_array(jsonb_build_object('person', (conflicts.person_id)::text)))) AND (NOT (EXISTS ( SELECT
           FROM public.upheld
          WHERE ((upheld.decision_id = last.id) AND (upheld.person_id = conflicts.person_id))))))
  ORDER BY last.id, conflicts.person_id, conflicts.state, conflicts.id;



CREATE TABLE public.epoch (
    only_row boolean DEFAULT true NOT NULL,
    value integer NOT NULL,
    CONSTRAINT epoch_only_row_check CHECK (only_row)
);



CREATE TABLE public.evidence (
    file_id uuid NOT NULL,
    application_id uuid NOT NULL,
    added_at timestamp with time zone NOT NULL
);



CREATE TABLE public.file_parts (
    file_id uuid NOT NULL,
    number integer NOT NULL,
    content bytea NOT NULL
);



CREATE TABLE public.files (
    id uuid NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    digest bytea NOT NULL,
    received_at timestamp with time zone NOT NULL
);



CREATE TABLE public.fund_balances (
    fund_id uuid NOT NULL,
    entries bigint DEFAULT 0 NOT NULL,
    received_pence bigint DEFAULT 0 NOT NULL,
    refunded_pence bigint DEFAULT 0 NOT NULL,
    committed_pence bigint DEFAULT 0 NOT NULL,
    paid_pence bigint DEFAULT 0 NOT NULL,
    returned_pence bigint DEFAULT 0 NOT NULL,
    CONSTRAINT fund_balances_committed_pence_check CHECK ((committed_pence >= 0)),
    CONSTRAINT fund_balances_entries_check CHECK ((entries >= 0)),
    CONSTRAINT fund_balances_refunded_pence_check CHECK ((refunded_pence >= 0)),
    CONSTRAINT fund_balances_returned_pence_check CHECK ((returned_pence >= 0)),
    CONSTRAINT never_overspent CHECK ((((committed_pence + paid_pence) - returned_pence) <= (received_pence - refunded_pence))),
    CONSTRAINT refunded_was_received CHECK ((refunded_pence <= received_pence)),
    CONSTRAINT returned_was_paid CHECK ((returned_pence <= paid_pence))
);



CREATE TABLE public.fund_names (
    name text NOT NULL,
    fund_id uuid NOT NULL
);



CREATE TABLE public.fund_terms (
    id uuid NOT NULL,
    fund_id uuid NOT NULL,
    file_id uuid NOT NULL,
    requires_status boolean NOT NULL,
    kept_at timestamp with time zone NOT NULL
);



CREATE TABLE public.funds (
    id uuid NOT NULL,
    name text NOT NULL,
    purpose text NOT NULL,
    restriction text NOT NULL,
    restrictions text[] NOT NULL,
    funders uuid[] NOT NULL,
    opened_on date NOT NULL,
    closed_on date,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT funds_check CHECK ((closed_on >= opened_on))
);



CREATE TABLE public.idempotency (
    key text NOT NULL,
    digest bytea NOT NULL,
    status integer NOT NULL,
    location text,
    body bytea NOT NULL,
    media_type text,
    given_at timestamp with time zone NOT NULL
);



CREATE TABLE public.inbox (
    id uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL,
    outcome text NOT NULL,
    handled_at timestamp with time zone NOT NULL,
    CONSTRAINT inbox_outcome_check CHECK ((outcome = ANY (ARRAY['handled'::text, 'ignored'::text, 'parked'::text, 'discarded'::text])))
);



CREATE TABLE public.interests (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    sealed bytea NOT NULL,
    said_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT interests_kind_check CHECK ((kind = ANY (ARRAY['employer'::text, 'team'::text, 'person'::text])))
);



CREATE TABLE public.interests_said (
    person_id uuid NOT NULL,
    said_at timestamp with time zone NOT NULL
);



CREATE TABLE public.items (
    meeting_id uuid NOT NULL,
    application_id uuid NOT NULL,
    opened_at timestamp with time zone,
    label text DEFAULT ''::text NOT NULL,
    low numeric DEFAULT 1 NOT NULL,
    decided boolean DEFAULT false NOT NULL
);



CREATE TABLE public.ledger (
    fund_id uuid NOT NULL,
    number bigint NOT NULL,
    kind text NOT NULL,
    amount_pence bigint NOT NULL,
    cause_id uuid NOT NULL,
    award_id uuid,
    contribution_id uuid,
    happened_on date NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    person_id uuid,
    held_pence bigint NOT NULL,
    free_pence bigint NOT NULL,
    CONSTRAINT about_an_award_or_a_contribution CHECK ((((kind = ANY (ARRAY['received'::text, 'refunded'::text])) = (contribution_id IS NOT NULL)) AND ((award_id IS NULL) = (contribution_id IS NOT NULL)))),
    CONSTRAINT ledger_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT ledger_free_pence_check CHECK ((free_pence >= 0)),
    CONSTRAINT ledger_held_pence_check CHECK ((held_pence >= 0)),
    CONSTRAINT ledger_kind_check CHECK ((kind = ANY (ARRAY['received'::text, 'refunded'::text, 'committed'::text, 'released'::text, 'paid'::text, 'returned'::text]))),
    CONSTRAINT ledger_number_check CHECK ((number > 0))
);



CREATE TABLE public.letter_languages (
    only_one boolean DEFAULT true NOT NULL,
    epoch integer NOT NULL,
    version integer NOT NULL,
    languages text[] NOT NULL,
    CONSTRAINT letter_languages_only_one_check CHECK (only_one)
);



CREATE TABLE public.letters_heard (
    letter_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    asked boolean DEFAULT false NOT NULL,
    answered boolean DEFAULT false NOT NULL,
    heard_at timestamp with time zone NOT NULL
);



CREATE TABLE public.meetings (
    id uuid NOT NULL,
    round_id uuid NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    begun_by uuid NOT NULL,
    ended_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL
);



CREATE TABLE public.nights (
    night date NOT NULL,
    began_at timestamp with time zone NOT NULL
);



CREATE TABLE public.outbox (
    id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    body bytea NOT NULL,
    expected boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    next_try timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    last_failure text,
    published_at timestamp with time zone,
    scrubbed_at timestamp with time zone
);



CREATE TABLE public.outcomes (
    application_id uuid NOT NULL,
    result text NOT NULL,
    said_at timestamp with time zone NOT NULL,
    said_by uuid,
    in_post boolean,
    in_post_at timestamp with time zone,
    post_asked_at timestamp with time zone,
    CONSTRAINT outcomes_result_check CHECK ((result = ANY (ARRAY['passed'::text, 'not_passed'::text, 'not_sat'::text])))
);



CREATE TABLE public.panel_members (
    round_id uuid NOT NULL,
    person_id uuid NOT NULL,
    seat text NOT NULL,
    professions text[] NOT NULL,
    for_funder boolean NOT NULL,
    invited_at timestamp with time zone NOT NULL,
    takes_part boolean,
    answered_at timestamp with time zone,
    left_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT panel_members_seat_check CHECK ((seat = ANY (ARRAY['member'::text, 'reserve'::text])))
);



CREATE TABLE public.parked (
    id uuid NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    body bytea NOT NULL,
    content_type text NOT NULL,
    reason text NOT NULL,
    failure text NOT NULL,
    attempts integer NOT NULL,
    parked_at timestamp with time zone NOT NULL,
    next_try timestamp with time zone
);



CREATE TABLE public.payment_returns (
    id uuid NOT NULL,
    payment_id uuid NOT NULL,
    amount_pence bigint NOT NULL,
    why text NOT NULL,
    words text DEFAULT ''::text NOT NULL,
    returned_on date NOT NULL,
    recorded_by uuid NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT payment_returns_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT payment_returns_why_check CHECK ((why = ANY (ARRAY['bank_refused'::text, 'came_back'::text, 'not_sat'::text])))
);



CREATE TABLE public.payments (
    id uuid NOT NULL,
    application_id uuid NOT NULL,
    number smallint NOT NULL,
    amount_pence bigint NOT NULL,
    returned_pence bigint DEFAULT 0 NOT NULL,
    payee text NOT NULL,
    invoice text DEFAULT ''::text NOT NULL,
    payee_sealed bytea,
    state text DEFAULT 'prepared'::text NOT NULL,
    prepared_by uuid NOT NULL,
    prepared_at timestamp with time zone NOT NULL,
    settled_by uuid,
    settled_at timestamp with time zone,
    words text DEFAULT ''::text NOT NULL,
    paid_on date,
    bank_reference text DEFAULT ''::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    filed_in uuid,
    filed_at timestamp with time zone,
    filed_by uuid,
    CONSTRAINT payments_amount_pence_check CHECK ((amount_pence > 0)),
    CONSTRAINT payments_check CHECK (((returned_pence >= 0) AND (returned_pence <= amount_pence))),
    CONSTRAINT payments_check1 CHECK (((state <> ALL (ARRAY['paid'::text, 'returned'::text])) OR ((settled_by IS NOT NULL) AND (settled_by <> prepared_by) AND (paid_on IS NOT NULL)))),
    CONSTRAINT payments_check2 CHECK (((returned_pence = 0) OR (state = ANY (ARRAY['paid'::text, 'returned'::text])))),
    CONSTRAINT payments_check3 CHECK (((state = 'returned'::text) = (returned_pence = amount_pence))),
    CONSTRAINT payments_number_check CHECK ((number > 0)),
    CONSTRAINT payments_payee_check CHECK ((payee = ANY (ARRAY['person'::text, 'exam_body'::text]))),
    CONSTRAINT payments_state_check CHECK ((state = ANY (ARRAY['prepared'::text, 'sent_back'::text, 'cancelled'::text, 'paid'::text, 'returned'::text])))
);



CREATE TABLE public.pledges (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    campaign_id uuid,
    campaign text NOT NULL,
    fund text NOT NULL,
    amount_pence bigint NOT NULL,
    pledged_on date NOT NULL,
    heard_at timestamp with time zone NOT NULL,
    fund_id uuid,
    fund_key text NOT NULL,
    received_pence bigint DEFAULT 0 NOT NULL,
    written_back_pence bigint DEFAULT 0 NOT NULL,
    written_back_because text DEFAULT ''::text NOT NULL,
    CONSTRAINT never_more_than_pledged CHECK (((received_pence + written_back_pence) <= amount_pence)),
    CONSTRAINT pledges_amount_pence_check CHECK ((amount_pence >= 0)),
    CONSTRAINT pledges_received_pence_check CHECK ((received_pence >= 0)),
    CONSTRAINT pledges_written_back_pence_check CHECK ((written_back_pence >= 0))
);



CREATE TABLE public.reasons (
    decision_id uuid NOT NULL,
    words text NOT NULL,
    why_changed text DEFAULT ''::text NOT NULL
);



CREATE TABLE public.registration_askings (
    id uuid NOT NULL,
    token_digest bytea NOT NULL,
    email bytea NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    registration_id uuid,
    reference bytea,
    profession text,
    area text,
    country text,
    exam_stage text,
    purposes text[],
    address text,
    notice_version text,
    CONSTRAINT registration_askings_check CHECK (((registration_id IS NOT NULL) OR (profession IS NOT NULL))),
    CONSTRAINT registration_askings_email_check CHECK ((octet_length(email) = 32)),
    CONSTRAINT registration_askings_reference_check CHECK ((octet_length(reference) = 32))
);



CREATE TABLE public.registration_counts (
    area text NOT NULL,
    profession text NOT NULL,
    count integer NOT NULL,
    counted_on date NOT NULL,
    version integer NOT NULL,
    CONSTRAINT registration_counts_count_check CHECK ((count >= 0)),
    CONSTRAINT registration_counts_version_check CHECK ((version > 0))
);



CREATE TABLE public.registration_purposes (
    id bigint NOT NULL,
    registration_id uuid NOT NULL,
    purpose text NOT NULL,
    lawful_basis text NOT NULL,
    notice_version text NOT NULL,
    given_at timestamp with time zone NOT NULL,
    withdrawn_at timestamp with time zone
);



ALTER TABLE public.registration_purposes ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.registration_purposes_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.registrations (
    id uuid NOT NULL,
    person bytea NOT NULL,
    profession text NOT NULL,
    area text NOT NULL,
    country text NOT NULL,
    exam_stage text NOT NULL,
    lawful_basis text NOT NULL,
    registered_on date NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    email bytea,
    address text,
    notice_version text,
    CONSTRAINT registrations_email_check CHECK ((octet_length(email) = 32)),
    CONSTRAINT registrations_person_check CHECK ((octet_length(person) = 32))
);



CREATE VIEW public.removals AS
 SELECT DISTINCT application_id,
    person_id
   FROM public.conflicts
  WHERE (((state = 'confirmed'::text) OR ((state = 'suggested'::text) AND keeps)) AND (tie IS DISTINCT FROM 'acquaintance'::text));



CREATE TABLE public.results_heard (
    kind text NOT NULL,
    id uuid NOT NULL,
    counts boolean NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    heard_at timestamp with time zone NOT NULL,
    CONSTRAINT results_heard_kind_check CHECK ((kind = ANY (ARRAY['outcome_met'::text, 'referral_closed'::text])))
);



CREATE TABLE public.reviews (
    application_id uuid NOT NULL,
    person_id uuid NOT NULL,
    comment text DEFAULT ''::text NOT NULL,
    submitted_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone NOT NULL
);



CREATE TABLE public.rounds (
    id uuid NOT NULL,
    fund_id uuid NOT NULL,
    name text NOT NULL,
    state text DEFAULT 'draft'::text NOT NULL,
    opens_on date,
    closes_on date,
    meets_on date,
    most_pence bigint,
    professions text[] NOT NULL,
    purposes text[] NOT NULL,
    eligibility text[] NOT NULL,
    quorum smallint,
    needs_peer boolean NOT NULL,
    needs_funder boolean NOT NULL,
    help_name text NOT NULL,
    help_telephone text NOT NULL,
    opened_at timestamp with time zone,
    closed_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT rounds_most_pence_check CHECK ((most_pence > 0)),
    CONSTRAINT rounds_quorum_check CHECK ((quorum > 0)),
    CONSTRAINT rounds_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'open'::text, 'closed'::text, 'decided'::text, 'published'::text])))
);



CREATE TABLE public.scores (
    application_id uuid NOT NULL,
    person_id uuid NOT NULL,
    criterion_id uuid NOT NULL,
    score smallint,
    CONSTRAINT scores_score_check CHECK (((score >= 0) AND (score <= 5)))
);



CREATE TABLE public.signs_of_life (
    service text NOT NULL,
    sent_at timestamp with time zone NOT NULL
);



CREATE TABLE public.stand_ins (
    meeting_id uuid NOT NULL,
    application_id uuid NOT NULL,
    person_id uuid NOT NULL
);



CREATE TABLE public.standings (
    person_id uuid NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    roles text[] NOT NULL,
    barred boolean NOT NULL
);



CREATE TABLE public.tokens (
    token_id uuid NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    person_id uuid NOT NULL,
    digest text NOT NULL,
    role text NOT NULL,
    writes boolean NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked boolean NOT NULL
);



ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);



ALTER TABLE ONLY public.applicants
    ADD CONSTRAINT applicants_pkey PRIMARY KEY (application_id);



ALTER TABLE ONLY public.application_steps
    ADD CONSTRAINT application_steps_pkey PRIMARY KEY (application_id, number);



ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_browser_digest_key UNIQUE (browser_digest);



ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_link_digest_key UNIQUE (link_digest);



ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_reference_key UNIQUE (reference);



ALTER TABLE ONLY public.attendance
    ADD CONSTRAINT attendance_pkey PRIMARY KEY (meeting_id, person_id, arrived_at);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.audit_heads
    ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (week);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);



ALTER TABLE ONLY public.award_papers
    ADD CONSTRAINT award_papers_pkey PRIMARY KEY (file_id);



ALTER TABLE ONLY public.award_steps
    ADD CONSTRAINT award_steps_pkey PRIMARY KEY (application_id, number);



ALTER TABLE ONLY public.awards
    ADD CONSTRAINT awards_pkey PRIMARY KEY (application_id);



ALTER TABLE ONLY public.awards
    ADD CONSTRAINT awards_published_as_key UNIQUE (published_as);



ALTER TABLE ONLY public.bank_details
    ADD CONSTRAINT bank_details_pkey PRIMARY KEY (application_id);



ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_id_key UNIQUE (id);



ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_label_key UNIQUE (label);



ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_pkey PRIMARY KEY (application_id);



ALTER TABLE ONLY public.colleagues
    ADD CONSTRAINT colleagues_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.commitments
    ADD CONSTRAINT commitments_pkey PRIMARY KEY (award_id);



ALTER TABLE ONLY public.conflicts
    ADD CONSTRAINT conflicts_application_id_person_id_source_key UNIQUE (application_id, person_id, source);



ALTER TABLE ONLY public.conflicts
    ADD CONSTRAINT conflicts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.contributions
    ADD CONSTRAINT contributions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.criteria
    ADD CONSTRAINT criteria_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.criteria
    ADD CONSTRAINT criteria_round_id_number_key UNIQUE (round_id, number) DEFERRABLE;



ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT decisions_application_id_number_key UNIQUE (application_id, number);



ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT decisions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (file_id);



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_pkey PRIMARY KEY (file_id, number);



ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.fund_balances
    ADD CONSTRAINT fund_balances_pkey PRIMARY KEY (fund_id);



ALTER TABLE ONLY public.fund_names
    ADD CONSTRAINT fund_names_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.fund_terms
    ADD CONSTRAINT fund_terms_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.funds
    ADD CONSTRAINT funds_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.interests
    ADD CONSTRAINT interests_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.interests_said
    ADD CONSTRAINT interests_said_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (meeting_id, application_id);



ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (fund_id, number);



ALTER TABLE ONLY public.letter_languages
    ADD CONSTRAINT letter_languages_pkey PRIMARY KEY (only_one);



ALTER TABLE ONLY public.letters_heard
    ADD CONSTRAINT letters_heard_pkey PRIMARY KEY (letter_id);



ALTER TABLE ONLY public.meetings
    ADD CONSTRAINT meetings_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.nights
    ADD CONSTRAINT nights_pkey PRIMARY KEY (night);



ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT once_for_each_cause UNIQUE (cause_id, kind);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_pkey PRIMARY KEY (application_id);



ALTER TABLE ONLY public.panel_members
    ADD CONSTRAINT panel_members_pkey PRIMARY KEY (round_id, person_id);



ALTER TABLE ONLY public.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.payment_returns
    ADD CONSTRAINT payment_returns_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_application_id_number_key UNIQUE (application_id, number);



ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.pledges
    ADD CONSTRAINT pledges_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.reasons
    ADD CONSTRAINT reasons_pkey PRIMARY KEY (decision_id);



ALTER TABLE ONLY public.registration_askings
    ADD CONSTRAINT registration_askings_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.registration_askings
    ADD CONSTRAINT registration_askings_token_digest_key UNIQUE (token_digest);



ALTER TABLE ONLY public.registration_counts
    ADD CONSTRAINT registration_counts_pkey PRIMARY KEY (area, profession);



ALTER TABLE ONLY public.registration_purposes
    ADD CONSTRAINT registration_purposes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT registrations_email_key UNIQUE (email);



ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT registrations_person_key UNIQUE (person);



ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT registrations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.results_heard
    ADD CONSTRAINT results_heard_pkey PRIMARY KEY (kind, id);



ALTER TABLE ONLY public.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (application_id, person_id);



ALTER TABLE ONLY public.rounds
    ADD CONSTRAINT rounds_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_pkey PRIMARY KEY (application_id, person_id, criterion_id);



ALTER TABLE ONLY public.signs_of_life
    ADD CONSTRAINT signs_of_life_pkey PRIMARY KEY (service);



ALTER TABLE ONLY public.stand_ins
    ADD CONSTRAINT stand_ins_pkey PRIMARY KEY (meeting_id, application_id, person_id);



ALTER TABLE ONLY public.standings
    ADD CONSTRAINT standings_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);



ALTER TABLE ONLY public.upheld
    ADD CONSTRAINT upheld_pkey PRIMARY KEY (decision_id, person_id);



CREATE INDEX applicants_by_email ON public.applicants USING btree (email_digest);



CREATE INDEX applicants_by_name ON public.applicants USING btree (name_digest);



CREATE INDEX applicants_by_person ON public.applicants USING btree (person_digest);



CREATE INDEX applicants_by_telephone ON public.applicants USING btree (telephone_digest);



CREATE INDEX applications_begun_from ON public.applications USING btree (begun_from, begun_at);



CREATE INDEX applications_of_round ON public.applications USING btree (round_id, submitted_at, id);



CREATE INDEX applications_with_panel ON public.applications USING btree (round_id, id) WHERE (state = ANY (ARRAY['under_review'::text, 'deferred'::text, 'awarded'::text, 'declined'::text, 'accepted'::text, 'paid'::text, 'reported'::text]));



CREATE INDEX audit_object ON public.audit USING btree (object, number);



CREATE INDEX audit_person ON public.audit USING btree (person_id, number);



CREATE INDEX awards_of_fund ON public.awards USING btree (fund_id);



CREATE INDEX cases_handed_over ON public.cases USING btree (application_id) WHERE (handed_at IS NOT NULL);



CREATE INDEX commitments_of_fund ON public.commitments USING btree (fund_id);



CREATE INDEX conflicts_of ON public.conflicts USING btree (person_id);



CREATE INDEX contributions_of_fund ON public.contributions USING btree (fund_id, received_on DESC, id DESC);



CREATE INDEX contributions_of_pledge ON public.contributions USING btree (pledge_id);



CREATE INDEX decisions_of_meeting ON public.decisions USING btree (meeting_id);



CREATE INDEX evidence_of ON public.evidence USING btree (application_id, added_at);



CREATE INDEX fund_names_of ON public.fund_names USING btree (fund_id);



CREATE INDEX fund_terms_of ON public.fund_terms USING btree (fund_id, kept_at DESC);



CREATE INDEX idempotency_given_at ON public.idempotency USING btree (given_at);



CREATE INDEX inbox_handled_at ON public.inbox USING btree (handled_at);



CREATE INDEX interests_of ON public.interests USING btree (person_id);



CREATE INDEX items_in_order ON public.items USING btree (meeting_id, decided, low, label);



CREATE INDEX items_of_application ON public.items USING btree (application_id);



CREATE INDEX items_opened ON public.items USING btree (meeting_id, opened_at, label) WHERE (opened_at IS NOT NULL);



CREATE INDEX ledger_of_award ON public.ledger USING btree (award_id, number);



CREATE INDEX ledger_of_contribution ON public.ledger USING btree (contribution_id, number);



CREATE UNIQUE INDEX one_meeting_at_a_time ON public.meetings USING btree (round_id) WHERE (ended_at IS NULL);



CREATE INDEX outbox_due ON public.outbox USING btree (next_try, recorded_at) WHERE (published_at IS NULL);



CREATE INDEX outbox_published ON public.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);



CREATE INDEX outcomes_to_ask ON public.outcomes USING btree (said_at) WHERE ((result = 'passed'::text) AND (post_asked_at IS NULL));



CREATE INDEX panel_members_by_person ON public.panel_members USING btree (person_id);



CREATE INDEX papers_of_award ON public.award_papers USING btree (application_id, added_at);



CREATE INDEX parked_due ON public.parked USING btree (next_try) WHERE (next_try IS NOT NULL);



CREATE INDEX payments_by_state ON public.payments USING btree (state, id);



CREATE INDEX pledges_of_fund ON public.pledges USING btree (fund_id, pledged_on DESC, id DESC);



CREATE INDEX pledges_without_fund ON public.pledges USING btree (fund_key) WHERE (fund_id IS NULL);



CREATE INDEX registration_askings_asked_at ON public.registration_askings USING btree (asked_at);



CREATE INDEX registration_askings_email ON public.registration_askings USING btree (email, asked_at);



CREATE INDEX registration_askings_of ON public.registration_askings USING btree (registration_id);



CREATE UNIQUE INDEX registration_purposes_given ON public.registration_purposes USING btree (registration_id, purpose) WHERE (withdrawn_at IS NULL);



CREATE INDEX registrations_area ON public.registrations USING btree (area, profession);



CREATE INDEX registrations_changed_at ON public.registrations USING btree (changed_at);



CREATE INDEX returns_of_payment ON public.payment_returns USING btree (payment_id, id);



CREATE INDEX reviews_counted ON public.reviews USING btree (person_id, application_id) INCLUDE (submitted_at);



CREATE INDEX rounds_of_fund ON public.rounds USING btree (fund_id);



CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_the_audit();



CREATE TRIGGER audit_is_only_added_to BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_the_audit();



CREATE TRIGGER decisions_are_never_emptied BEFORE TRUNCATE ON public.decisions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_decisions();



CREATE TRIGGER decisions_are_only_added_to BEFORE DELETE OR UPDATE ON public.decisions FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_decisions();



CREATE TRIGGER items_are_decided AFTER INSERT ON public.decisions REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.items_are_decided();



CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON public.ledger FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_the_ledger();



CREATE TRIGGER ledger_is_only_added_to BEFORE DELETE OR UPDATE ON public.ledger FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_the_ledger();



CREATE TRIGGER ranks_follow AFTER UPDATE ON public.panel_members REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow_panel();



CREATE TRIGGER ranks_follow_delete AFTER DELETE ON public.conflicts REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_delete AFTER DELETE ON public.reviews REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_delete AFTER DELETE ON public.scores REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_delete AFTER DELETE ON public.stand_ins REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_insert AFTER INSERT ON public.conflicts REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_insert AFTER INSERT ON public.items REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_insert AFTER INSERT ON public.reviews REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_insert AFTER INSERT ON public.scores REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_insert AFTER INSERT ON public.stand_ins REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_update AFTER UPDATE ON public.conflicts REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_update AFTER UPDATE ON public.reviews REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER ranks_follow_update AFTER UPDATE ON public.scores REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.ranks_follow();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.attendance FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.cases FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.conflicts FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.decisions FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.fund_balances FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.items FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.meetings FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.panel_members FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.reviews FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.stand_ins FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



CREATE TRIGGER wakes_meetings AFTER INSERT OR DELETE OR UPDATE ON public.upheld FOR EACH STATEMENT EXECUTE FUNCTION public.wake_meetings();



ALTER TABLE ONLY public.applicants
    ADD CONSTRAINT applicants_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.application_steps
    ADD CONSTRAINT application_steps_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.applications
    ADD CONSTRAINT applications_round_id_fkey FOREIGN KEY (round_id) REFERENCES public.rounds(id);



ALTER TABLE ONLY public.attendance
    ADD CONSTRAINT attendance_meeting_id_fkey FOREIGN KEY (meeting_id) REFERENCES public.meetings(id);



ALTER TABLE ONLY public.award_papers
    ADD CONSTRAINT award_papers_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.awards(application_id) ON DELETE CASCADE;



ALTER TABLE ONLY public.award_papers
    ADD CONSTRAINT award_papers_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id);



ALTER TABLE ONLY public.award_steps
    ADD CONSTRAINT award_steps_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.awards(application_id);



ALTER TABLE ONLY public.awards
    ADD CONSTRAINT awards_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);



ALTER TABLE ONLY public.awards
    ADD CONSTRAINT awards_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.bank_details
    ADD CONSTRAINT bank_details_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.awards(application_id) ON DELETE CASCADE;



ALTER TABLE ONLY public.cases
    ADD CONSTRAINT cases_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.commitments
    ADD CONSTRAINT commitments_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.fund_balances(fund_id);



ALTER TABLE ONLY public.conflicts
    ADD CONSTRAINT conflicts_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.conflicts
    ADD CONSTRAINT conflicts_interest_id_fkey FOREIGN KEY (interest_id) REFERENCES public.interests(id);



ALTER TABLE ONLY public.contributions
    ADD CONSTRAINT contributions_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.contributions
    ADD CONSTRAINT contributions_pledge_id_fkey FOREIGN KEY (pledge_id) REFERENCES public.pledges(id);



ALTER TABLE ONLY public.criteria
    ADD CONSTRAINT criteria_round_id_fkey FOREIGN KEY (round_id) REFERENCES public.rounds(id);



ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT decisions_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id);



ALTER TABLE ONLY public.decisions
    ADD CONSTRAINT decisions_meeting_id_fkey FOREIGN KEY (meeting_id) REFERENCES public.meetings(id);



ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id);



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.fund_balances
    ADD CONSTRAINT fund_balances_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.fund_names
    ADD CONSTRAINT fund_names_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.fund_terms
    ADD CONSTRAINT fund_terms_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id);



ALTER TABLE ONLY public.fund_terms
    ADD CONSTRAINT fund_terms_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.items
    ADD CONSTRAINT items_meeting_id_fkey FOREIGN KEY (meeting_id) REFERENCES public.meetings(id);



ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.fund_balances(fund_id);



ALTER TABLE ONLY public.meetings
    ADD CONSTRAINT meetings_round_id_fkey FOREIGN KEY (round_id) REFERENCES public.rounds(id);



ALTER TABLE ONLY public.outcomes
    ADD CONSTRAINT outcomes_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.awards(application_id);



ALTER TABLE ONLY public.panel_members
    ADD CONSTRAINT panel_members_round_id_fkey FOREIGN KEY (round_id) REFERENCES public.rounds(id);



ALTER TABLE ONLY public.payment_returns
    ADD CONSTRAINT payment_returns_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES public.payments(id);



ALTER TABLE ONLY public.payments
    ADD CONSTRAINT payments_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.awards(application_id);



ALTER TABLE ONLY public.pledges
    ADD CONSTRAINT pledges_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.reasons
    ADD CONSTRAINT reasons_decision_id_fkey FOREIGN KEY (decision_id) REFERENCES public.decisions(id);



ALTER TABLE ONLY public.registration_askings
    ADD CONSTRAINT registration_askings_registration_id_fkey FOREIGN KEY (registration_id) REFERENCES public.registrations(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.registration_purposes
    ADD CONSTRAINT registration_purposes_registration_id_fkey FOREIGN KEY (registration_id) REFERENCES public.registrations(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.reviews
    ADD CONSTRAINT reviews_application_id_fkey FOREIGN KEY (application_id) REFERENCES public.applications(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.rounds
    ADD CONSTRAINT rounds_fund_id_fkey FOREIGN KEY (fund_id) REFERENCES public.funds(id);



ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_application_id_person_id_fkey FOREIGN KEY (application_id, person_id) REFERENCES public.reviews(application_id, person_id) ON DELETE CASCADE;



ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_criterion_id_fkey FOREIGN KEY (criterion_id) REFERENCES public.criteria(id);



ALTER TABLE ONLY public.stand_ins
    ADD CONSTRAINT stand_ins_meeting_id_application_id_fkey FOREIGN KEY (meeting_id, application_id) REFERENCES public.items(meeting_id, application_id) ON DELETE CASCADE;



ALTER TABLE ONLY public.upheld
    ADD CONSTRAINT upheld_decision_id_fkey FOREIGN KEY (decision_id) REFERENCES public.decisions(id);




