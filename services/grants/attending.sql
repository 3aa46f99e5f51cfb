-- A meeting as its members see it. What it looks at is read through cases_for(viewer) here, and whether it is there
-- at all through meetings_for(viewer): a test holds this file to it.

-- name: is_seen$
-- Whether a meeting is there for a member.
SELECT :meeting_id IN (SELECT meeting_id FROM meetings_for(:viewer));

-- name: items_for
-- What a member may see of what a meeting looks at.
SELECT application_id, seen.id AS case_id, seen.label, profession, purpose, amount_pence, exam_on, seen.words, papers,
       NULL::text AS state, opened_at
FROM items JOIN cases_for(:viewer) AS seen USING (application_id)
WHERE meeting_id = :meeting_id ORDER BY seen.label;

-- name: seen_by
-- Which items of a meeting each of these members may see; nothing for those who may see none of them.
SELECT viewer, array_agg(application_id ORDER BY application_id) AS ids
FROM unnest(:viewers::uuid[]) AS viewer CROSS JOIN LATERAL cases_for(viewer) AS seen JOIN items USING (application_id)
WHERE meeting_id = :meeting_id GROUP BY viewer;

-- name: marks_for
-- What stands for all that each of these members sees of a meeting. It changes when that does, and never by
-- anything that is kept from them.
WITH item AS MATERIALIZED (SELECT application_id, mark FROM item_marks(:meeting_id))
SELECT viewer, md5(concat_ws('/', ended_at, rounds.state = 'published', here.marks, own.marks)) AS mark
FROM meetings
JOIN rounds ON rounds.id = round_id
CROSS JOIN LATERAL (
    SELECT string_agg(concat_ws(':', person_id, seat, (
        SELECT max(arrived_at) FROM attendance
        WHERE meeting_id = meetings.id AND attendance.person_id = panel_members.person_id AND attendance.left_at IS NULL
    )), ',' ORDER BY person_id) AS marks
    FROM panel_members WHERE panel_members.round_id = meetings.round_id AND takes_part AND left_at IS NULL
) AS here
CROSS JOIN unnest(:viewers::uuid[]) AS viewer
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(':', seen.id, item.mark), ',' ORDER BY seen.id) AS marks
    FROM cases_for(viewer) AS seen JOIN item USING (application_id)
) AS own ON true
WHERE meetings.id = :meeting_id;
