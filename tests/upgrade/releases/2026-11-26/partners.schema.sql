


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


CREATE FUNCTION public.grams(said text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT COST 10000 PARALLEL SAFE
    RETURN (SELECT array_agg(DISTINCT substr(word.word, at.at, 3)) AS array_agg FROM unnest(string_to_array(grams.said, ' '::text)) word(word), LATERAL generate_series(1, (length(word.word) - 2)) at(at));



CREATE FUNCTION public.refuse_to_change_the_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to';
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.agreement_outcomes (
    id uuid NOT NULL,
    agreement_id uuid NOT NULL,
    what text NOT NULL,
    measure text NOT NULL,
    due_on date NOT NULL,
    person_id uuid,
    contact_id uuid,
    state text NOT NULL,
    closed_on date,
    note text DEFAULT ''::text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT agreement_outcomes_state_check CHECK ((state = ANY (ARRAY['open'::text, 'met'::text, 'dropped'::text]))),
    CONSTRAINT outcomes_close_on_a_day CHECK (((state = 'open'::text) = (closed_on IS NULL))),
    CONSTRAINT outcomes_have_one_owner CHECK ((num_nonnulls(person_id, contact_id) = 1))
);



CREATE TABLE public.agreement_reviews (
    agreement_id uuid NOT NULL,
    review_on date NOT NULL,
    told_at timestamp with time zone,
    reviewed_on date,
    note text DEFAULT ''::text NOT NULL
);



CREATE TABLE public.agreement_signatures (
    agreement_id uuid NOT NULL,
    number integer NOT NULL,
    side text NOT NULL,
    way text NOT NULL,
    name text NOT NULL,
    "position" text NOT NULL,
    signed_at timestamp with time zone NOT NULL,
    person_id uuid,
    contact_id uuid,
    CONSTRAINT agreement_signatures_side_check CHECK ((side = ANY (ARRAY['ours'::text, 'theirs'::text]))),
    CONSTRAINT agreement_signatures_way_check CHECK ((way = ANY (ARRAY['signed_in'::text, 'link'::text, 'paper'::text])))
);



CREATE TABLE public.agreement_versions (
    agreement_id uuid NOT NULL,
    number integer NOT NULL,
    state text NOT NULL,
    content jsonb NOT NULL,
    digest bytea NOT NULL,
    link bytea NOT NULL,
    offered_at timestamp with time zone NOT NULL,
    signed_at timestamp with time zone,
    copy_id uuid,
    CONSTRAINT agreement_versions_number_check CHECK ((number > 0)),
    CONSTRAINT agreement_versions_state_check CHECK ((state = ANY (ARRAY['offered'::text, 'signed'::text, 'replaced'::text, 'withdrawn'::text])))
);



CREATE TABLE public.agreements (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    state text NOT NULL,
    terms jsonb NOT NULL,
    kept_by uuid,
    contact_id uuid,
    in_force integer,
    revision integer DEFAULT 1 NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    ended_on date,
    ended_why text,
    CONSTRAINT agreements_end_with_a_day CHECK (((state = 'ended'::text) = (ended_on IS NOT NULL))),
    CONSTRAINT agreements_signed_in_a_version CHECK (((state <> 'signed'::text) OR (in_force IS NOT NULL))),
    CONSTRAINT agreements_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'offered'::text, 'signed'::text, 'ended'::text])))
);



CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);



CREATE TABLE public.attempts (
    kind text NOT NULL,
    who bytea NOT NULL,
    at timestamp with time zone NOT NULL
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



CREATE TABLE public.backups (
    name text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    size bigint NOT NULL,
    seconds double precision NOT NULL
);



CREATE TABLE public.chain_heads (
    week date NOT NULL,
    service text NOT NULL,
    number bigint NOT NULL,
    digest text NOT NULL,
    heard_at timestamp with time zone NOT NULL
);



CREATE TABLE public.contacts (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    role text NOT NULL,
    name text NOT NULL,
    channel text NOT NULL,
    email text,
    postal_address text[] NOT NULL,
    postcode text,
    source text NOT NULL,
    listed_on date NOT NULL,
    withdrawn_on date,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    erased_at timestamp with time zone,
    CONSTRAINT contacts_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'post'::text]))),
    CONSTRAINT contacts_reachable CHECK (((withdrawn_on IS NOT NULL) OR ((channel = 'email'::text) AND (email IS NOT NULL)) OR ((channel = 'post'::text) AND (cardinality(postal_address) > 0) AND (postcode IS NOT NULL)))),
    CONSTRAINT contacts_version_check CHECK ((version > 0)),
    CONSTRAINT contacts_withdrawn_after_listing CHECK ((withdrawn_on >= listed_on))
);



CREATE TABLE public.epoch (
    only_row boolean DEFAULT true NOT NULL,
    value integer NOT NULL,
    CONSTRAINT epoch_only_row_check CHECK (only_row)
);



CREATE TABLE public.erased_addresses (
    digest bytea NOT NULL,
    erased_at timestamp with time zone NOT NULL
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



CREATE TABLE public.head_reports (
    week date NOT NULL,
    reported_at timestamp with time zone NOT NULL
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



CREATE TABLE public.import_fates (
    import_id uuid NOT NULL,
    line integer NOT NULL,
    number bigint NOT NULL,
    fate text NOT NULL,
    what text NOT NULL,
    thing_id uuid,
    name text NOT NULL,
    column_name text,
    reason text,
    cure text,
    changes text[] NOT NULL,
    CONSTRAINT import_fates_what_check CHECK ((what = ANY (ARRAY['organisation'::text, 'contact'::text, 'line'::text])))
);



ALTER TABLE public.import_fates ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.import_fates_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.import_lines (
    import_id uuid NOT NULL,
    line integer NOT NULL,
    organisation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    identifier text NOT NULL,
    name text NOT NULL,
    kinds text[],
    areas text[],
    closeness text,
    opened_on date,
    closed_on date,
    successor text,
    postal_address text[],
    postcode text,
    telephone text,
    website text,
    contact_role text,
    contact_name text,
    contact_channel text,
    contact_email text,
    contact_address text[],
    contact_postcode text,
    contact_source text,
    contact_listed_on date,
    contact_withdrawn_on date,
    email_digest bytea
);



CREATE TABLE public.import_organisations (
    import_id uuid NOT NULL,
    line integer NOT NULL,
    identifier text NOT NULL,
    id uuid NOT NULL,
    successor_id uuid
);



CREATE TABLE public.imports (
    id uuid NOT NULL,
    state text NOT NULL,
    file_id uuid,
    file_name text NOT NULL,
    format text NOT NULL,
    names text[],
    speaks_of text[] NOT NULL,
    kinds text[] NOT NULL,
    areas text[] NOT NULL,
    closeness text,
    person_id uuid,
    session_id uuid,
    source text NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    total integer,
    lines integer DEFAULT 0 NOT NULL,
    shown bytea,
    changed_since boolean DEFAULT false NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    begun_at timestamp with time zone NOT NULL,
    moved_at timestamp with time zone NOT NULL,
    CONSTRAINT imports_state_check CHECK ((state = ANY (ARRAY['chosen'::text, 'reading'::text, 'ready'::text, 'applying'::text, 'applied'::text, 'cancelled'::text, 'failed'::text])))
);



CREATE TABLE public.inbox (
    id uuid NOT NULL,
    digest bytea NOT NULL,
    type text NOT NULL,
    outcome text NOT NULL,
    handled_at timestamp with time zone NOT NULL,
    CONSTRAINT inbox_outcome_check CHECK ((outcome = ANY (ARRAY['handled'::text, 'ignored'::text, 'parked'::text, 'discarded'::text])))
);



CREATE TABLE public.issued_tokens (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    role text NOT NULL,
    writes boolean NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    version integer NOT NULL,
    CONSTRAINT issued_tokens_version_check CHECK ((version > 0))
);



CREATE TABLE public.kept_forms (
    id uuid NOT NULL,
    browser bytea NOT NULL,
    sealed bytea NOT NULL,
    kept_at timestamp with time zone NOT NULL
);



CREATE TABLE public.nights (
    night date NOT NULL,
    began_at timestamp with time zone NOT NULL
);



CREATE TABLE public.offered_services (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    name text NOT NULL,
    listed_as text NOT NULL COLLATE pg_catalog."C",
    description text NOT NULL,
    searched text NOT NULL,
    needs text[] NOT NULL,
    areas text[] NOT NULL,
    languages text[] NOT NULL,
    free boolean NOT NULL,
    cost text NOT NULL,
    telephone text,
    email text,
    website text,
    postal_address text[] NOT NULL,
    postcode text,
    opening_hours text NOT NULL,
    public_channels text[] NOT NULL,
    active boolean NOT NULL,
    checked_on date NOT NULL,
    checked_by uuid,
    retired_at timestamp with time zone,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT offered_services_cost CHECK ((free = (cost = ''::text))),
    CONSTRAINT offered_services_needs_check CHECK ((cardinality(needs) > 0)),
    CONSTRAINT offered_services_version_check CHECK ((version > 0))
);



CREATE TABLE public.organisation_tags (
    organisation_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    tagged_at timestamp with time zone NOT NULL
);



CREATE TABLE public.organisations (
    id uuid NOT NULL,
    identifier text NOT NULL,
    name text NOT NULL,
    listed_as text NOT NULL COLLATE pg_catalog."C",
    kinds text[] NOT NULL,
    areas text[] NOT NULL,
    closeness text NOT NULL,
    opened_on date,
    closed_on date,
    successor_id uuid,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    postal_address text[] DEFAULT '{}'::text[] NOT NULL,
    postcode text,
    telephone text,
    website text,
    handed_over text[] DEFAULT '{}'::text[] NOT NULL,
    merged_into uuid,
    searched text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    name_words text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT organisations_another_succeeds CHECK ((successor_id <> id)),
    CONSTRAINT organisations_closed_after_opening CHECK ((closed_on >= opened_on)),
    CONSTRAINT organisations_merged_into_another CHECK ((merged_into <> id)),
    CONSTRAINT organisations_version_check CHECK ((version > 0))
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



CREATE TABLE public.people (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    email_key text NOT NULL,
    roles text[] NOT NULL,
    admitted_at timestamp with time zone NOT NULL,
    barred_at timestamp with time zone,
    version integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    second_factor bytea,
    second_factor_since timestamp with time zone,
    second_factor_step bigint,
    erased_at timestamp with time zone,
    CONSTRAINT people_second_factor_whole CHECK ((((second_factor IS NULL) = (second_factor_since IS NULL)) AND ((second_factor IS NULL) = (second_factor_step IS NULL)))),
    CONSTRAINT people_version_check CHECK ((version > 0))
);



CREATE VIEW public.owned_outcomes AS
 SELECT u.id,
    u.agreement_id,
    u.what,
    u.measure,
    u.due_on,
    u.person_id,
    u.contact_id,
    u.state,
    u.closed_on,
    u.note,
    u.changed_at,
    a.organisation_id,
    o.name AS organisation,
    (a.terms ->> 'title'::text) AS title,
    COALESCE(u.person_id, u.contact_id) AS owner_id,
    COALESCE(p.name, c.name) AS owner,
        CASE
            WHEN (u.person_id IS NULL) THEN 'theirs'::text
            ELSE 'ours'::text
        END AS side,
        CASE
            WHEN (u.person_id IS NOT NULL) THEN (p.barred_at)::date
            WHEN (c.organisation_id <> a.organisation_id) THEN (a.changed_at)::date
            ELSE c.withdrawn_on
        END AS gone_on
   FROM ((((public.agreement_outcomes u
     JOIN public.agreements a ON ((a.id = u.agreement_id)))
     JOIN public.organisations o ON ((o.id = a.organisation_id)))
     LEFT JOIN public.people p ON ((p.id = u.person_id)))
     LEFT JOIN public.contacts c ON ((c.id = u.contact_id)));



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



CREATE TABLE public.people_unreached (
    person_id uuid NOT NULL,
    kind text NOT NULL,
    failed_at timestamp with time zone NOT NULL
);



CREATE TABLE public.recovery_codes (
    person_id uuid NOT NULL,
    code bytea NOT NULL,
    used_at timestamp with time zone
);



CREATE TABLE public.referrals (
    id uuid NOT NULL,
    reference text NOT NULL,
    need text NOT NULL,
    organisation_id uuid NOT NULL,
    contact_id uuid,
    state text NOT NULL,
    reason text NOT NULL,
    made_by uuid,
    made_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by uuid,
    due_on date,
    token_digest bytea NOT NULL,
    version integer NOT NULL,
    CONSTRAINT referrals_state_check CHECK ((state = ANY (ARRAY['made'::text, 'accepted'::text, 'declined'::text, 'helped'::text, 'not_helped'::text, 'not_known'::text, 'taken_back'::text, 'ended'::text]))),
    CONSTRAINT referrals_version_check CHECK ((version > 0))
);



CREATE TABLE public.rights_answers (
    request_id uuid NOT NULL,
    service text NOT NULL,
    step text NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    files integer,
    objection text,
    scrubbed jsonb,
    kept text[],
    CONSTRAINT rights_answers_step_check CHECK ((step = ANY (ARRAY['gathered'::text, 'answered'::text, 'scrubbed'::text])))
);



CREATE TABLE public.rights_findings (
    request_id uuid NOT NULL,
    service text NOT NULL,
    number integer NOT NULL,
    path text NOT NULL,
    title text NOT NULL,
    piece integer NOT NULL,
    content bytea NOT NULL,
    left_out text,
    CONSTRAINT rights_findings_number_check CHECK ((number > 0))
);



CREATE TABLE public.rights_requests (
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    subject bytea,
    asked_at timestamp with time zone NOT NULL,
    due_on date NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT rights_requests_kind_check CHECK ((kind = ANY (ARRAY['export'::text, 'erasure'::text]))),
    CONSTRAINT rights_requests_state_check CHECK ((state = ANY (ARRAY['gathering'::text, 'gathered'::text, 'released'::text, 'asking'::text, 'objected'::text, 'erasing'::text, 'erased'::text, 'cancelled'::text])))
);



CREATE TABLE public.saved_views (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    name text NOT NULL,
    query text NOT NULL,
    shared boolean NOT NULL,
    saved_at timestamp with time zone NOT NULL,
    deleted_at timestamp with time zone
);



CREATE TABLE public.sessions (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    renewal bytea NOT NULL,
    agent text NOT NULL,
    began_at timestamp with time zone NOT NULL,
    renewed_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    proved_at timestamp with time zone
);



CREATE TABLE public.sign_ins (
    id uuid NOT NULL,
    person_id uuid,
    asker bytea NOT NULL,
    browser bytea,
    link bytea NOT NULL,
    code bytea NOT NULL,
    next text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    guesses integer DEFAULT 0 NOT NULL,
    used_at timestamp with time zone
);



CREATE TABLE public.signs_of_life (
    service text NOT NULL,
    sent_at timestamp with time zone NOT NULL
);



CREATE TABLE public.standings (
    person_id uuid NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    roles text[] NOT NULL,
    barred boolean NOT NULL
);



CREATE TABLE public.suggested_contacts (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    letter_id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    email text NOT NULL,
    suggested_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    contact_id uuid
);



CREATE TABLE public.taggings (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    removes boolean NOT NULL,
    organisations uuid[] NOT NULL,
    query text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    undone_at timestamp with time zone
);



CREATE TABLE public.tags (
    id uuid NOT NULL,
    name text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    made_at timestamp with time zone NOT NULL
);



CREATE TABLE public.timeline (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    what text NOT NULL,
    detail text NOT NULL,
    letter_id uuid,
    heard_at timestamp with time zone NOT NULL,
    contact_id uuid,
    referral_id uuid,
    written_by uuid,
    ends_at timestamp with time zone,
    place text DEFAULT ''::text NOT NULL,
    our_people uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    their_contacts uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    removed_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    changed_at timestamp with time zone,
    CONSTRAINT timeline_ends_after_its_beginning CHECK ((ends_at > happened_at)),
    CONSTRAINT timeline_only_people_change CHECK (((written_by IS NOT NULL) OR ((removed_at IS NULL) AND (version = 1)))),
    CONSTRAINT timeline_version_check CHECK ((version > 0))
);



CREATE TABLE public.timeline_files (
    file_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    removed_at timestamp with time zone
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



CREATE TABLE public.words_written (
    one boolean DEFAULT true NOT NULL,
    made_of text NOT NULL,
    CONSTRAINT words_written_one_check CHECK (one)
);



ALTER TABLE ONLY public.agreement_outcomes
    ADD CONSTRAINT agreement_outcomes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.agreement_reviews
    ADD CONSTRAINT agreement_reviews_pkey PRIMARY KEY (agreement_id, review_on);



ALTER TABLE ONLY public.agreement_signatures
    ADD CONSTRAINT agreement_signatures_pkey PRIMARY KEY (agreement_id, number, side);



ALTER TABLE ONLY public.agreement_versions
    ADD CONSTRAINT agreement_versions_link_key UNIQUE (link);



ALTER TABLE ONLY public.agreement_versions
    ADD CONSTRAINT agreement_versions_pkey PRIMARY KEY (agreement_id, number);



ALTER TABLE ONLY public.agreements
    ADD CONSTRAINT agreements_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.audit_heads
    ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (week);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);



ALTER TABLE ONLY public.backups
    ADD CONSTRAINT backups_pkey PRIMARY KEY (name);



ALTER TABLE ONLY public.chain_heads
    ADD CONSTRAINT chain_heads_pkey PRIMARY KEY (week, service);



ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_one_per_role_and_name UNIQUE (organisation_id, role, name);



ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.erased_addresses
    ADD CONSTRAINT erased_addresses_pkey PRIMARY KEY (digest);



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_pkey PRIMARY KEY (file_id, number);



ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.head_reports
    ADD CONSTRAINT head_reports_pkey PRIMARY KEY (week);



ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.import_fates
    ADD CONSTRAINT import_fates_pkey PRIMARY KEY (import_id, line, number);



ALTER TABLE ONLY public.import_lines
    ADD CONSTRAINT import_lines_pkey PRIMARY KEY (import_id, line);



ALTER TABLE ONLY public.import_organisations
    ADD CONSTRAINT import_organisations_import_id_id_key UNIQUE (import_id, id);



ALTER TABLE ONLY public.import_organisations
    ADD CONSTRAINT import_organisations_import_id_identifier_key UNIQUE (import_id, identifier);



ALTER TABLE ONLY public.import_organisations
    ADD CONSTRAINT import_organisations_pkey PRIMARY KEY (import_id, line);



ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.kept_forms
    ADD CONSTRAINT kept_forms_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.nights
    ADD CONSTRAINT nights_pkey PRIMARY KEY (night);



ALTER TABLE ONLY public.offered_services
    ADD CONSTRAINT offered_services_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.organisation_tags
    ADD CONSTRAINT organisation_tags_pkey PRIMARY KEY (organisation_id, tag_id);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_identifier_key UNIQUE (identifier);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_email_key_key UNIQUE (email_key);



ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.people_unreached
    ADD CONSTRAINT people_unreached_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_pkey PRIMARY KEY (person_id, code);



ALTER TABLE ONLY public.referrals
    ADD CONSTRAINT referrals_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.referrals
    ADD CONSTRAINT referrals_token_digest_key UNIQUE (token_digest);



ALTER TABLE ONLY public.rights_answers
    ADD CONSTRAINT rights_answers_pkey PRIMARY KEY (request_id, step, service);



ALTER TABLE ONLY public.rights_findings
    ADD CONSTRAINT rights_findings_pkey PRIMARY KEY (request_id, service, number);



ALTER TABLE ONLY public.rights_requests
    ADD CONSTRAINT rights_requests_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.saved_views
    ADD CONSTRAINT saved_views_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_renewal_key UNIQUE (renewal);



ALTER TABLE ONLY public.sign_ins
    ADD CONSTRAINT sign_ins_link_key UNIQUE (link);



ALTER TABLE ONLY public.sign_ins
    ADD CONSTRAINT sign_ins_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.signs_of_life
    ADD CONSTRAINT signs_of_life_pkey PRIMARY KEY (service);



ALTER TABLE ONLY public.standings
    ADD CONSTRAINT standings_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.suggested_contacts
    ADD CONSTRAINT suggested_contacts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_key_key UNIQUE (key);



ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.timeline_files
    ADD CONSTRAINT timeline_files_pkey PRIMARY KEY (file_id);



ALTER TABLE ONLY public.timeline
    ADD CONSTRAINT timeline_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);



ALTER TABLE ONLY public.words_written
    ADD CONSTRAINT words_written_pkey PRIMARY KEY (one);



CREATE INDEX agreement_outcomes_contact ON public.agreement_outcomes USING btree (contact_id);



CREATE INDEX agreement_outcomes_due ON public.agreement_outcomes USING btree (due_on, id);



CREATE INDEX agreement_outcomes_of ON public.agreement_outcomes USING btree (agreement_id);



CREATE INDEX agreement_outcomes_person ON public.agreement_outcomes USING btree (person_id);



CREATE INDEX agreement_reviews_open ON public.agreement_reviews USING btree (review_on) WHERE (reviewed_on IS NULL);



CREATE INDEX agreement_signatures_name ON public.agreement_signatures USING btree (lower(name));



CREATE UNIQUE INDEX agreement_versions_offered ON public.agreement_versions USING btree (agreement_id) WHERE (state = 'offered'::text);



CREATE INDEX agreements_contact ON public.agreements USING btree (contact_id);



CREATE INDEX agreements_of_organisation ON public.agreements USING btree (organisation_id);



CREATE INDEX agreements_offered ON public.agreements USING btree (id) WHERE (state = 'offered'::text);



CREATE INDEX attempts_at ON public.attempts USING btree (at);



CREATE INDEX attempts_who ON public.attempts USING btree (kind, who, at);



CREATE INDEX audit_object ON public.audit USING btree (object, number);



CREATE INDEX audit_person ON public.audit USING btree (person_id, number);



CREATE INDEX backups_made_at ON public.backups USING btree (made_at);



CREATE INDEX contacts_email ON public.contacts USING btree (lower(email));



CREATE INDEX contacts_listed ON public.contacts USING btree (organisation_id) WHERE (withdrawn_on IS NULL);



CREATE INDEX idempotency_given_at ON public.idempotency USING btree (given_at);



CREATE INDEX import_fates_fate ON public.import_fates USING btree (import_id, fate, line, number);



CREATE INDEX import_lines_identifier ON public.import_lines USING btree (import_id, identifier, line);



CREATE INDEX imports_begun_at ON public.imports USING btree (begun_at);



CREATE INDEX imports_file ON public.imports USING btree (file_id) WHERE (file_id IS NOT NULL);



CREATE INDEX imports_waiting ON public.imports USING btree (moved_at) WHERE (state = ANY (ARRAY['reading'::text, 'applying'::text]));



CREATE INDEX inbox_handled_at ON public.inbox USING btree (handled_at);



CREATE INDEX issued_tokens_person ON public.issued_tokens USING btree (person_id, issued_at DESC);



CREATE INDEX offered_services_checked_on ON public.offered_services USING btree (checked_on) WHERE (retired_at IS NULL);



CREATE UNIQUE INDEX offered_services_listed_as ON public.offered_services USING btree (listed_as, id);



CREATE INDEX offered_services_of_organisation ON public.offered_services USING btree (organisation_id, listed_as, id);



CREATE INDEX organisation_tags_of_tag ON public.organisation_tags USING btree (tag_id, organisation_id);



CREATE UNIQUE INDEX organisations_listed_as ON public.organisations USING btree (listed_as, id);



CREATE INDEX organisations_merged_into ON public.organisations USING btree (merged_into) WHERE (merged_into IS NOT NULL);



CREATE INDEX organisations_name_words ON public.organisations USING gin (name_words);



CREATE INDEX organisations_postcode ON public.organisations USING btree (postcode) WHERE (postcode IS NOT NULL);



CREATE INDEX organisations_searched ON public.organisations USING gin (public.grams(searched));
ALTER INDEX public.organisations_searched ALTER COLUMN 1 SET STATISTICS 0;



CREATE INDEX organisations_shown ON public.organisations USING btree (listed_as, id) WHERE (merged_into IS NULL);



CREATE INDEX organisations_successor ON public.organisations USING btree (successor_id) WHERE (successor_id IS NOT NULL);



CREATE INDEX outbox_due ON public.outbox USING btree (next_try, recorded_at) WHERE (published_at IS NULL);



CREATE INDEX outbox_published ON public.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);



CREATE INDEX parked_due ON public.parked USING btree (next_try) WHERE (next_try IS NOT NULL);



CREATE INDEX people_organisation ON public.people USING btree (organisation_id);



CREATE INDEX referrals_due ON public.referrals USING btree (due_on, id) WHERE (due_on IS NOT NULL);



CREATE INDEX referrals_made_at ON public.referrals USING btree (made_at DESC, id DESC);



CREATE INDEX referrals_of_organisation ON public.referrals USING btree (organisation_id, made_at DESC, id DESC);



CREATE INDEX rights_requests_asked_at ON public.rights_requests USING btree (asked_at DESC, id DESC);



CREATE INDEX saved_views_deleted ON public.saved_views USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);



CREATE INDEX saved_views_of_person ON public.saved_views USING btree (person_id);



CREATE INDEX sessions_person ON public.sessions USING btree (person_id, ended_at, renewed_at DESC);



CREATE INDEX sign_ins_asked_at ON public.sign_ins USING btree (asked_at);



CREATE INDEX sign_ins_browser ON public.sign_ins USING btree (browser, asked_at DESC);



CREATE INDEX suggested_contacts_open ON public.suggested_contacts USING btree (suggested_at) WHERE (settled_at IS NULL);



CREATE INDEX suggested_contacts_organisation ON public.suggested_contacts USING btree (organisation_id);



CREATE INDEX taggings_asked ON public.taggings USING btree (person_id) WHERE (done_at IS NULL);



CREATE INDEX timeline_failed ON public.timeline USING btree (contact_id, happened_at DESC) WHERE (kind = 'letter_failed'::text);



CREATE INDEX timeline_files_entry ON public.timeline_files USING btree (entry_id);



CREATE INDEX timeline_files_removed ON public.timeline_files USING btree (removed_at) WHERE (removed_at IS NOT NULL);



CREATE INDEX timeline_happened_at ON public.timeline USING btree (happened_at DESC, id DESC);



CREATE INDEX timeline_heard_at ON public.timeline USING btree (heard_at);



CREATE INDEX timeline_letters ON public.timeline USING btree (contact_id, happened_at DESC) WHERE (kind = ANY (ARRAY['letter_sent'::text, 'letter_acknowledged'::text, 'letter_answered'::text]));



CREATE INDEX timeline_meetings ON public.timeline USING btree (happened_at) WHERE ((kind = 'meeting'::text) AND (removed_at IS NULL));



CREATE INDEX timeline_of_organisation ON public.timeline USING btree (organisation_id, happened_at DESC, id DESC);



CREATE INDEX timeline_removed_at ON public.timeline USING btree (removed_at) WHERE (removed_at IS NOT NULL);



CREATE INDEX timeline_written ON public.timeline USING btree (happened_at) WHERE (written_by IS NOT NULL);



CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_the_audit();



CREATE TRIGGER audit_is_only_added_to BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_the_audit();



ALTER TABLE ONLY public.agreement_outcomes
    ADD CONSTRAINT agreement_outcomes_agreement_id_fkey FOREIGN KEY (agreement_id) REFERENCES public.agreements(id);



ALTER TABLE ONLY public.agreement_outcomes
    ADD CONSTRAINT agreement_outcomes_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.contacts(id);



ALTER TABLE ONLY public.agreement_outcomes
    ADD CONSTRAINT agreement_outcomes_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.agreement_reviews
    ADD CONSTRAINT agreement_reviews_agreement_id_fkey FOREIGN KEY (agreement_id) REFERENCES public.agreements(id);



ALTER TABLE ONLY public.agreement_signatures
    ADD CONSTRAINT agreement_signatures_agreement_id_number_fkey FOREIGN KEY (agreement_id, number) REFERENCES public.agreement_versions(agreement_id, number);



ALTER TABLE ONLY public.agreement_signatures
    ADD CONSTRAINT agreement_signatures_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.contacts(id);



ALTER TABLE ONLY public.agreement_signatures
    ADD CONSTRAINT agreement_signatures_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.agreement_versions
    ADD CONSTRAINT agreement_versions_agreement_id_fkey FOREIGN KEY (agreement_id) REFERENCES public.agreements(id);



ALTER TABLE ONLY public.agreement_versions
    ADD CONSTRAINT agreement_versions_copy_id_fkey FOREIGN KEY (copy_id) REFERENCES public.files(id);



ALTER TABLE ONLY public.agreements
    ADD CONSTRAINT agreements_contact_id_fkey FOREIGN KEY (contact_id) REFERENCES public.contacts(id);



ALTER TABLE ONLY public.agreements
    ADD CONSTRAINT agreements_kept_by_fkey FOREIGN KEY (kept_by) REFERENCES public.people(id);



ALTER TABLE ONLY public.agreements
    ADD CONSTRAINT agreements_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.import_fates
    ADD CONSTRAINT import_fates_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.imports(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.import_lines
    ADD CONSTRAINT import_lines_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.imports(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.import_organisations
    ADD CONSTRAINT import_organisations_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.imports(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.imports
    ADD CONSTRAINT imports_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id) ON DELETE SET NULL;



ALTER TABLE ONLY public.issued_tokens
    ADD CONSTRAINT issued_tokens_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.offered_services
    ADD CONSTRAINT offered_services_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.organisation_tags
    ADD CONSTRAINT organisation_tags_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.organisation_tags
    ADD CONSTRAINT organisation_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tags(id);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_merged_into_fkey FOREIGN KEY (merged_into) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_successor_id_fkey FOREIGN KEY (successor_id) REFERENCES public.organisations(id) DEFERRABLE INITIALLY DEFERRED;



ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.people_unreached
    ADD CONSTRAINT people_unreached_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.recovery_codes
    ADD CONSTRAINT recovery_codes_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.referrals
    ADD CONSTRAINT referrals_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.rights_answers
    ADD CONSTRAINT rights_answers_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.rights_requests(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.rights_findings
    ADD CONSTRAINT rights_findings_request_id_fkey FOREIGN KEY (request_id) REFERENCES public.rights_requests(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.sign_ins
    ADD CONSTRAINT sign_ins_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.people(id);



ALTER TABLE ONLY public.suggested_contacts
    ADD CONSTRAINT suggested_contacts_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);



ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES public.tags(id);



ALTER TABLE ONLY public.timeline_files
    ADD CONSTRAINT timeline_files_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.timeline(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.timeline_files
    ADD CONSTRAINT timeline_files_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.timeline
    ADD CONSTRAINT timeline_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisations(id);




