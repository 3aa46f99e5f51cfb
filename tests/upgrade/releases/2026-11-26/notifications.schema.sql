


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


CREATE FUNCTION public.refuse_to_change_the_audit() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only added to';
END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;


CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);



CREATE TABLE public.answers (
    id uuid NOT NULL,
    letter_id uuid NOT NULL,
    kind text NOT NULL,
    detail text DEFAULT ''::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    "position" text DEFAULT ''::text NOT NULL,
    pledge_pence bigint,
    at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    settled_at timestamp with time zone,
    way text DEFAULT 'page'::text NOT NULL,
    entered_by uuid,
    told_on date,
    corrected_at timestamp with time zone,
    corrected_by uuid,
    CONSTRAINT answers_check CHECK (((kind = 'pledge'::text) = (pledge_pence IS NOT NULL))),
    CONSTRAINT answers_check1 CHECK (((confirmed_at IS NULL) OR (kind = 'pledge'::text))),
    CONSTRAINT answers_corrected_once CHECK (((corrected_by IS NULL) OR (corrected_at IS NOT NULL))),
    CONSTRAINT answers_kind_check CHECK ((kind = ANY (ARRAY['acknowledge'::text, 'pledge'::text, 'meet'::text, 'decline'::text, 'ask'::text, 'pass_on'::text]))),
    CONSTRAINT answers_of_others_are_entered CHECK (((way = 'page'::text) = (told_on IS NULL))),
    CONSTRAINT answers_pledge_pence_check CHECK ((pledge_pence > 0)),
    CONSTRAINT answers_settled_check CHECK (((settled_at IS NULL) OR (kind = ANY (ARRAY['ask'::text, 'meet'::text, 'decline'::text])))),
    CONSTRAINT answers_way_check CHECK ((way = ANY (ARRAY['page'::text, 'email'::text, 'post'::text, 'telephone'::text, 'person'::text])))
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



CREATE TABLE public.campaign_words (
    campaign_id uuid NOT NULL,
    number integer NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    written_by uuid,
    written_at timestamp with time zone NOT NULL,
    CONSTRAINT campaign_words_number_check CHECK ((number > 0))
);



CREATE TABLE public.campaigns (
    id uuid NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    purpose text NOT NULL,
    fund text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    signatory text NOT NULL,
    kind text NOT NULL,
    roles text[] NOT NULL,
    profession text,
    formula_version integer,
    least_pence bigint,
    each_pence bigint,
    step_pence bigint,
    most_pence bigint,
    state text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    sent_at timestamp with time zone,
    version integer NOT NULL,
    asks boolean GENERATED ALWAYS AS ((formula_version IS NOT NULL)) STORED NOT NULL,
    areas text[] DEFAULT '{}'::text[] NOT NULL,
    in_turn boolean DEFAULT false NOT NULL,
    words_version integer DEFAULT 1 NOT NULL,
    hands uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    submitted_by uuid,
    submitted_at timestamp with time zone,
    approved_by uuid,
    approved_at timestamp with time zone,
    returned_by uuid,
    returned_because text DEFAULT ''::text NOT NULL,
    send_at timestamp with time zone,
    stopped_at timestamp with time zone,
    chase_most integer DEFAULT 2 NOT NULL,
    chase_every integer DEFAULT 10 NOT NULL,
    chase_by_itself boolean DEFAULT false NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT campaigns_chase_every_check CHECK (((chase_every >= 1) AND (chase_every <= 60))),
    CONSTRAINT campaigns_chase_most_check CHECK (((chase_most >= 0) AND (chase_most <= 9))),
    CONSTRAINT campaigns_check CHECK ((most_pence >= least_pence)),
    CONSTRAINT campaigns_check1 CHECK (((state = 'draft'::text) OR ((cardinality(roles) > 0) AND (words_version > 0)))),
    CONSTRAINT campaigns_check2 CHECK ((num_nulls(profession, formula_version, least_pence, each_pence, step_pence, most_pence) = ANY (ARRAY[0, 6]))),
    CONSTRAINT campaigns_check3 CHECK (((send_at IS NULL) OR (state = 'approved'::text))),
    CONSTRAINT campaigns_each_pence_check CHECK ((each_pence >= 0)),
    CONSTRAINT campaigns_formula_version_check CHECK ((formula_version > 0)),
    CONSTRAINT campaigns_least_pence_check CHECK ((least_pence >= 0)),
    CONSTRAINT campaigns_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'submitted'::text, 'approved'::text, 'sending'::text, 'paused'::text, 'sent'::text, 'stopped'::text]))),
    CONSTRAINT campaigns_step_pence_check CHECK ((step_pence > 0)),
    CONSTRAINT campaigns_version_check CHECK ((version > 0)),
    CONSTRAINT campaigns_words_version_check CHECK ((words_version >= 0))
);



ALTER TABLE public.campaigns ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.campaigns_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.chaser_words (
    campaign_id uuid NOT NULL,
    version integer NOT NULL,
    body text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    CONSTRAINT chaser_words_version_check CHECK ((version > 0))
);



CREATE TABLE public.chasers (
    id uuid NOT NULL,
    letter_id uuid NOT NULL,
    number integer NOT NULL,
    contact_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    words integer NOT NULL,
    message_id text NOT NULL,
    batch_id uuid NOT NULL,
    because text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try timestamp with time zone,
    claimed_at timestamp with time zone,
    sent_at timestamp with time zone,
    reason text,
    failure text,
    cure text,
    made_at timestamp with time zone NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    CONSTRAINT chasers_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'post'::text]))),
    CONSTRAINT chasers_check CHECK (((state <> 'sent'::text) OR (sent_at IS NOT NULL))),
    CONSTRAINT chasers_check1 CHECK (((state <> 'sending'::text) OR (claimed_at IS NOT NULL))),
    CONSTRAINT chasers_check2 CHECK (((state = 'withheld'::text) = (reason IS NOT NULL))),
    CONSTRAINT chasers_number_check CHECK ((number > 0)),
    CONSTRAINT chasers_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text, 'withheld'::text])))
);



CREATE TABLE public.contacts (
    id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    role text NOT NULL,
    channel text NOT NULL,
    name text,
    email text,
    postal_address text[],
    postcode text,
    source text,
    listed_on date NOT NULL,
    withdrawn_on date,
    epoch integer NOT NULL,
    version bigint NOT NULL
);



CREATE TABLE public.epoch (
    only_row boolean DEFAULT true NOT NULL,
    value integer NOT NULL,
    CONSTRAINT epoch_only_row_check CHECK (only_row)
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



CREATE TABLE public.incoming (
    id uuid NOT NULL,
    digest bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    letter_id uuid,
    sender text NOT NULL,
    sender_name text NOT NULL,
    verified boolean NOT NULL,
    subject text NOT NULL,
    words text NOT NULL,
    folded text NOT NULL,
    returns_on date,
    moved_to text[] NOT NULL,
    failed text[] NOT NULL,
    why text NOT NULL,
    hard boolean NOT NULL,
    file_id uuid,
    settled_at timestamp with time zone,
    scrubbed_at timestamp with time zone,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT incoming_check CHECK (((state = 'matched'::text) = (letter_id IS NOT NULL))),
    CONSTRAINT incoming_check1 CHECK (((state <> 'held'::text) OR (settled_at IS NULL))),
    CONSTRAINT incoming_check2 CHECK (((state <> 'aside'::text) OR (settled_at IS NOT NULL))),
    CONSTRAINT incoming_kind_check CHECK ((kind = ANY (ARRAY['answer'::text, 'auto_reply'::text, 'bounce'::text, 'notice'::text, 'unreadable'::text]))),
    CONSTRAINT incoming_state_check CHECK ((state = ANY (ARRAY['held'::text, 'matched'::text, 'aside'::text]))),
    CONSTRAINT incoming_version_check CHECK ((version > 0))
);



CREATE TABLE public.letter_history (
    id bigint NOT NULL,
    letter_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    what text NOT NULL,
    who text NOT NULL
);



ALTER TABLE public.letter_history ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.letter_history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);



CREATE TABLE public.letters (
    id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    number integer NOT NULL,
    reference text NOT NULL,
    role text NOT NULL,
    body_name text NOT NULL,
    areas text[] NOT NULL,
    state text NOT NULL,
    answer text DEFAULT 'silent'::text NOT NULL,
    ask_pence bigint,
    count integer,
    evidence_on date,
    evidence_source text,
    formula_version integer,
    frozen jsonb NOT NULL,
    token_digest bytea NOT NULL,
    message_id text NOT NULL,
    dated date,
    attempts integer DEFAULT 0 NOT NULL,
    next_try timestamp with time zone,
    claimed_at timestamp with time zone,
    sent_at timestamp with time zone,
    reason text,
    failure text,
    cure text,
    changed_at timestamp with time zone NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    scrubbed_at timestamp with time zone,
    words_version integer DEFAULT 1 NOT NULL,
    own_subject text,
    own_body text,
    delivery text DEFAULT ''::text NOT NULL,
    waits_since timestamp with time zone,
    lateness text DEFAULT ''::text NOT NULL,
    CONSTRAINT letters_answer_check CHECK ((answer = ANY (ARRAY['silent'::text, 'auto_replied'::text, 'acknowledged'::text, 'asked'::text, 'declined'::text, 'will_meet'::text, 'pledged'::text]))),
    CONSTRAINT letters_check CHECK (((state <> 'sent'::text) OR (sent_at IS NOT NULL))),
    CONSTRAINT letters_check1 CHECK (((state <> 'sending'::text) OR (claimed_at IS NOT NULL))),
    CONSTRAINT letters_check2 CHECK (((own_subject IS NULL) = (own_body IS NULL))),
    CONSTRAINT letters_check3 CHECK (((state <> ALL (ARRAY['ready'::text, 'sending'::text, 'sent'::text])) OR ((dated IS NOT NULL) AND ((ask_pence IS NOT NULL) OR (formula_version IS NULL))))),
    CONSTRAINT letters_delivery_check CHECK ((delivery = ANY (ARRAY[''::text, 'delivered'::text, 'bounced'::text, 'returned'::text]))),
    CONSTRAINT letters_lateness_check CHECK ((lateness = ANY (ARRAY[''::text, 'late'::text, 'very_late'::text]))),
    CONSTRAINT letters_state_check CHECK ((state = ANY (ARRAY['draft'::text, 'blocked'::text, 'ready'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text]))),
    CONSTRAINT letters_version_check CHECK ((version > 0))
);



CREATE TABLE public.mailboxes (
    id bytea NOT NULL,
    uid_validity bigint NOT NULL,
    uid bigint NOT NULL
);



CREATE TABLE public.nights (
    night date NOT NULL,
    began_at timestamp with time zone NOT NULL
);



CREATE TABLE public.notice_languages (
    only_one boolean DEFAULT true NOT NULL,
    version integer NOT NULL,
    languages text[] NOT NULL,
    CONSTRAINT notice_languages_only_one_check CHECK (only_one)
);



CREATE TABLE public.notice_words (
    kind text NOT NULL,
    language text NOT NULL,
    version integer NOT NULL,
    whose text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    written_by uuid,
    written_at timestamp with time zone NOT NULL,
    CONSTRAINT notice_words_check CHECK (((whose = 'nobody'::text) = (body = ''::text))),
    CONSTRAINT notice_words_version_check CHECK ((version > 0)),
    CONSTRAINT notice_words_whose_check CHECK ((whose = ANY (ARRAY['theirs'::text, 'ours'::text, 'nobody'::text])))
);



CREATE TABLE public.notices (
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    email text,
    subject text,
    body text,
    not_after timestamp with time zone NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try timestamp with time zone NOT NULL,
    claimed_at timestamp with time zone,
    made_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    person_id uuid,
    language text DEFAULT 'en'::text NOT NULL,
    runs text DEFAULT 'ltr'::text NOT NULL,
    words integer,
    CONSTRAINT notices_forget_when_settled CHECK (((settled_at IS NULL) = (body IS NOT NULL))),
    CONSTRAINT notices_runs_check CHECK ((runs = ANY (ARRAY['ltr'::text, 'rtl'::text]))),
    CONSTRAINT notices_state_check CHECK ((state = ANY (ARRAY['ready'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text, 'late'::text])))
);



CREATE TABLE public.organisations (
    id uuid NOT NULL,
    name text NOT NULL,
    kinds text[] NOT NULL,
    areas text[] NOT NULL,
    closed_on date,
    successor_id uuid,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    handed_over text[] DEFAULT '{}'::text[] NOT NULL,
    merged_into uuid
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



CREATE TABLE public.received (
    id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    amount_pence bigint NOT NULL,
    heard_at timestamp with time zone NOT NULL
);



CREATE TABLE public.registration_counts (
    area text NOT NULL,
    profession text NOT NULL,
    count integer NOT NULL,
    counted_on date NOT NULL,
    epoch integer NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT registration_counts_count_check CHECK ((count >= 0))
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



CREATE TABLE public.stops (
    id uuid NOT NULL,
    scope text NOT NULL,
    digests bytea[] NOT NULL,
    way text NOT NULL,
    letter_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    stopped_at timestamp with time zone NOT NULL,
    lifted_at timestamp with time zone,
    lifted_by uuid,
    lifted_because text,
    CONSTRAINT stops_check CHECK (((lifted_at IS NULL) = (lifted_because IS NULL))),
    CONSTRAINT stops_digests_check CHECK ((cardinality(digests) > 0)),
    CONSTRAINT stops_scope_check CHECK ((scope = ANY (ARRAY['person'::text, 'body'::text]))),
    CONSTRAINT stops_way_check CHECK ((way = ANY (ARRAY['page'::text, 'one_click'::text, 'email'::text, 'post'::text, 'telephone'::text, 'person'::text])))
);



CREATE TABLE public.suggestions (
    id uuid NOT NULL,
    answer_id uuid NOT NULL,
    letter_id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    email text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    new_letter_id uuid
);



CREATE TABLE public.suspects (
    contact_id uuid NOT NULL,
    digest bytea NOT NULL,
    organisation_id uuid NOT NULL,
    role text NOT NULL,
    suspected_at timestamp with time zone NOT NULL,
    times integer NOT NULL,
    lifted_at timestamp with time zone,
    lifted_because text,
    CONSTRAINT suspects_check CHECK (((lifted_at IS NULL) = (lifted_because IS NULL))),
    CONSTRAINT suspects_times_check CHECK ((times > 0))
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



ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.audit_heads
    ADD CONSTRAINT audit_heads_pkey PRIMARY KEY (week);



ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (number);



ALTER TABLE ONLY public.campaign_words
    ADD CONSTRAINT campaign_words_pkey PRIMARY KEY (campaign_id, number);



ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_number_key UNIQUE (number);



ALTER TABLE ONLY public.campaigns
    ADD CONSTRAINT campaigns_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.chaser_words
    ADD CONSTRAINT chaser_words_pkey PRIMARY KEY (campaign_id, version);



ALTER TABLE ONLY public.chasers
    ADD CONSTRAINT chasers_letter_id_number_key UNIQUE (letter_id, number);



ALTER TABLE ONLY public.chasers
    ADD CONSTRAINT chasers_message_id_key UNIQUE (message_id);



ALTER TABLE ONLY public.chasers
    ADD CONSTRAINT chasers_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.contacts
    ADD CONSTRAINT contacts_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.epoch
    ADD CONSTRAINT epoch_pkey PRIMARY KEY (only_row);



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_pkey PRIMARY KEY (file_id, number);



ALTER TABLE ONLY public.files
    ADD CONSTRAINT files_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (key);



ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.incoming
    ADD CONSTRAINT incoming_digest_key UNIQUE (digest);



ALTER TABLE ONLY public.incoming
    ADD CONSTRAINT incoming_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.letter_history
    ADD CONSTRAINT letter_history_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_campaign_id_contact_id_key UNIQUE (campaign_id, contact_id);



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_message_id_key UNIQUE (message_id);



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_reference_key UNIQUE (reference);



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_token_digest_key UNIQUE (token_digest);



ALTER TABLE ONLY public.mailboxes
    ADD CONSTRAINT mailboxes_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.nights
    ADD CONSTRAINT nights_pkey PRIMARY KEY (night);



ALTER TABLE ONLY public.notice_languages
    ADD CONSTRAINT notice_languages_pkey PRIMARY KEY (only_one);



ALTER TABLE ONLY public.notice_words
    ADD CONSTRAINT notice_words_pkey PRIMARY KEY (kind, language, version);



ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.organisations
    ADD CONSTRAINT organisations_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.parked
    ADD CONSTRAINT parked_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.received
    ADD CONSTRAINT received_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.registration_counts
    ADD CONSTRAINT registration_counts_pkey PRIMARY KEY (area, profession);



ALTER TABLE ONLY public.signs_of_life
    ADD CONSTRAINT signs_of_life_pkey PRIMARY KEY (service);



ALTER TABLE ONLY public.standings
    ADD CONSTRAINT standings_pkey PRIMARY KEY (person_id);



ALTER TABLE ONLY public.stops
    ADD CONSTRAINT stops_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_pkey PRIMARY KEY (id);



ALTER TABLE ONLY public.suspects
    ADD CONSTRAINT suspects_pkey PRIMARY KEY (contact_id);



ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (token_id);



CREATE INDEX answers_letter ON public.answers USING btree (letter_id, at);



CREATE INDEX audit_object ON public.audit USING btree (object, number);



CREATE INDEX audit_person ON public.audit USING btree (person_id, number);



CREATE INDEX campaigns_scheduled ON public.campaigns USING btree (send_at) WHERE (send_at IS NOT NULL);



CREATE INDEX chasers_claimed ON public.chasers USING btree (claimed_at) WHERE (state = 'sending'::text);



CREATE INDEX chasers_due ON public.chasers USING btree (next_try) WHERE (state = 'ready'::text);



CREATE UNIQUE INDEX chasers_under_way ON public.chasers USING btree (letter_id) WHERE (state = ANY (ARRAY['ready'::text, 'sending'::text]));



CREATE INDEX contacts_email ON public.contacts USING btree (lower(email));



CREATE INDEX contacts_organisation ON public.contacts USING btree (organisation_id, role);



CREATE INDEX idempotency_given_at ON public.idempotency USING btree (given_at);



CREATE INDEX inbox_handled_at ON public.inbox USING btree (handled_at);



CREATE INDEX incoming_letter ON public.incoming USING btree (letter_id, received_at);



CREATE INDEX incoming_open ON public.incoming USING btree (received_at, id) WHERE (settled_at IS NULL);



CREATE INDEX incoming_raw ON public.incoming USING btree (received_at) WHERE (file_id IS NOT NULL);



CREATE INDEX incoming_received_at ON public.incoming USING btree (received_at, id);



CREATE INDEX incoming_sender ON public.incoming USING btree (sender);



CREATE INDEX letter_history_letter ON public.letter_history USING btree (letter_id, id);



CREATE INDEX letters_body ON public.letters USING btree (campaign_id, organisation_id);



CREATE INDEX letters_campaign ON public.letters USING btree (campaign_id, number);



CREATE INDEX letters_claimed ON public.letters USING btree (claimed_at) WHERE (state = 'sending'::text);



CREATE INDEX letters_contact ON public.letters USING btree (contact_id);



CREATE INDEX letters_due ON public.letters USING btree (next_try, number, id) WHERE (state = 'ready'::text);



CREATE INDEX letters_not_scrubbed ON public.letters USING btree (changed_at) WHERE (scrubbed_at IS NULL);



CREATE INDEX letters_organisation ON public.letters USING btree (organisation_id);



CREATE INDEX letters_sent_lately ON public.letters USING btree (organisation_id, sent_at) WHERE (sent_at IS NOT NULL);



CREATE INDEX letters_set_aside ON public.letters USING btree (campaign_id) WHERE ((state = 'blocked'::text) AND (dated IS NOT NULL));



CREATE INDEX letters_waiting ON public.letters USING btree (waits_since) WHERE ((state = 'sent'::text) AND (answer = ANY (ARRAY['silent'::text, 'auto_replied'::text, 'acknowledged'::text])));



CREATE INDEX notices_due ON public.notices USING btree (next_try, id) WHERE (state = 'ready'::text);



CREATE INDEX notices_of_kind ON public.notices USING btree (kind, made_at);



CREATE INDEX notices_open ON public.notices USING btree (claimed_at) WHERE (settled_at IS NULL);



CREATE INDEX notices_settled_at ON public.notices USING btree (settled_at);



CREATE INDEX organisations_kinds ON public.organisations USING gin (kinds);



CREATE INDEX organisations_merged_into ON public.organisations USING btree (merged_into) WHERE (merged_into IS NOT NULL);



CREATE INDEX outbox_due ON public.outbox USING btree (next_try, recorded_at) WHERE (published_at IS NULL);



CREATE INDEX outbox_published ON public.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);



CREATE INDEX parked_due ON public.parked USING btree (next_try) WHERE (next_try IS NOT NULL);



CREATE INDEX received_by_campaign ON public.received USING btree (campaign_id);



CREATE INDEX stops_digests ON public.stops USING gin (digests) WHERE (lifted_at IS NULL);



CREATE INDEX stops_letter ON public.stops USING btree (letter_id);



CREATE INDEX stops_newest ON public.stops USING btree (stopped_at DESC, id DESC);



CREATE INDEX suggestions_answer ON public.suggestions USING btree (answer_id);



CREATE INDEX suggestions_letter ON public.suggestions USING btree (letter_id);



CREATE INDEX suggestions_new_letter ON public.suggestions USING btree (new_letter_id);



CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_change_the_audit();



CREATE TRIGGER audit_is_only_added_to BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_to_change_the_audit();



ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_corrected_by_fkey FOREIGN KEY (corrected_by) REFERENCES public.answers(id);



ALTER TABLE ONLY public.answers
    ADD CONSTRAINT answers_letter_id_fkey FOREIGN KEY (letter_id) REFERENCES public.letters(id);



ALTER TABLE ONLY public.campaign_words
    ADD CONSTRAINT campaign_words_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.chaser_words
    ADD CONSTRAINT chaser_words_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.chasers
    ADD CONSTRAINT chasers_letter_id_fkey FOREIGN KEY (letter_id) REFERENCES public.letters(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.file_parts
    ADD CONSTRAINT file_parts_file_id_fkey FOREIGN KEY (file_id) REFERENCES public.files(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.incoming
    ADD CONSTRAINT incoming_letter_id_fkey FOREIGN KEY (letter_id) REFERENCES public.letters(id);



ALTER TABLE ONLY public.letter_history
    ADD CONSTRAINT letter_history_letter_id_fkey FOREIGN KEY (letter_id) REFERENCES public.letters(id) ON DELETE CASCADE;



ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES public.campaigns(id);



ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_answer_id_fkey FOREIGN KEY (answer_id) REFERENCES public.answers(id);



ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_letter_id_fkey FOREIGN KEY (letter_id) REFERENCES public.letters(id);



ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_new_letter_id_fkey FOREIGN KEY (new_letter_id) REFERENCES public.letters(id);




