"""What is said to one person by mail: sent once, never late, and forgotten when it is settled."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database
from chassis.metrics import REGISTRY
from chassis.retention import scrub_old
from chassis.sealed import seal
from chassis.testing import CUT_AFTER_DOT, NO_SUCH_MAILBOX, RecordingMailServer, free_port
from contracts.catalogue import sample
from contracts.envelope import Event, Fact, pounds_sterling
from contracts.grants import (
    ApplicationDecided,
    ApplicationLinkRequested,
    ApplicationRefused,
    ApplicationReminded,
    ApplicationReopened,
    ApplicationReturned,
    ApplicationSubmitted,
    ApplicationWithdrawn,
    AwardAccepted,
    AwardPaid,
    AwardProofReturned,
    AwardReminded,
    AwardReturned,
    PanelInvited,
    PostAsked,
    RegistrationAsked,
    ReportDue,
)
from contracts.notifications import NoticeFailed
from contracts.partners import (
    AgreementOffered,
    AgreementReviewDue,
    ChainHeadsReported,
    PersonInvited,
    ReferralMade,
    ReferralReminded,
    SignInRequested,
)
from services.notifications.held import TERMS
from services.notifications.notices.courier import Courier
from tests.conftest import MakeDatabase, announced
from tests.notifications.conftest import hear, rows, told

EMAIL = "amina.marker@forum.example"
_KIND: dict[type[Fact], str] = {ReferralMade: "referral", ReferralReminded: "referral_reminder"}
_REFERRAL: dict[str, Any] = {"referral_id": uuid4(), "organisation_id": uuid4(), "need": "housing"}
LINK = "https://forum.example/partners/sign-in/aaaabbbbccccddddeeeeffffgggghhhh"


@pytest.fixture
async def desk(make_database: MakeDatabase) -> Database:
    return await make_database("notifications")


def wanted(desk: Database, *, good_for: float = 600, **changed: Any) -> Event:
    """Somebody wants to sign in."""
    keys = {"name": "Amina <Marker>", "email": EMAIL, "link": LINK, "code": "012345", **changed}
    until: datetime = desk.context.clock.now() + timedelta(seconds=good_for)
    sealed = seal(desk.context.keys, SignInRequested, "keys", keys)
    return told(SignInRequested, uuid4(), person_id=uuid4(), expires_at=until, keys=sealed)


def invited(desk: Database) -> Event:
    address = {"name": "Amina Marker", "email": EMAIL}
    sealed = seal(desk.context.keys, PersonInvited, "address", address)
    return told(PersonInvited, uuid4(), person_id=uuid4(), address=sealed)


def heads_reported(desk: Database, **numbers: int) -> Event:
    """An auditor is to be told how far these services' records go."""
    address = {"name": "Ingrid <Marker>", "email": EMAIL}
    return told(
        ChainHeadsReported,
        uuid4(),
        person_id=uuid4(),
        week=date(2026, 12, 28),
        heads=[
            {"service": service, "number": number, "digest": service[0] * 64}
            for service, number in numbers.items()
        ],
        address=seal(desk.context.keys, ChainHeadsReported, "address", address),
    )


def referred(desk: Database, fact: type[Fact], **said: Any) -> Event:
    """A partner is to be asked about somebody who was sent on to them."""
    link = "https://forum.example/partners/referred/aaaabbbbccccddddeeeeffffgg"
    letter = {"name": "Minh <Marker>", "email": EMAIL, "organisation": "The Trust", "link": link}
    sealed = seal(desk.context.keys, fact, "letter", {**letter, "reference": "SG-00417", "need": "Housing"})
    return told(fact, uuid4(), **_REFERRAL, contact_id=uuid4(), letter=sealed, **said)


async def notices(desk: Database) -> list[dict[str, Any]]:
    return await rows(desk, "SELECT * FROM notices ORDER BY made_at, id")


async def states(desk: Database) -> list[str]:
    return [row["state"] for row in await notices(desk)]


async def test_a_ledger_that_cannot_be_written_is_said_and_costs_no_try(
    desk: Database, mail: RecordingMailServer, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = desk.context.settings.ledger_folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    await hear(desk, invited(desk))
    before = tries("ledger_away")
    for _ in range(desk.context.settings.mail_attempts + 1):
        await Courier(desk).turn()
        desk.context.clock.advance(timedelta(seconds=desk.context.settings.mail_retry))
    (notice,) = await notices(desk)
    assert (notice["state"], notice["attempts"], mail.messages) == ("ready", 0, [])
    assert tries("ledger_away") - before == desk.context.settings.mail_attempts + 1
    assert "ledger_away" in capsys.readouterr().out
    folder.unlink()
    await Courier(desk).turn()
    assert len(mail.to(EMAIL)) == 1


def tries(result: str) -> float:
    return REGISTRY.get_sample_value("conduit_notice_tries_total", {"result": result}) or 0


async def test_a_link_and_a_code_go_to_whoever_asked(desk: Database, mail: RecordingMailServer) -> None:
    await hear(desk, wanted(desk))
    assert not await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    parsed = message.parsed
    plain, page = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert LINK in plain.get_content().splitlines()
    assert "012 345" in plain.get_content().splitlines()
    assert "Dear Amina <Marker>," in plain.get_content()
    assert "Dear Amina &lt;Marker&gt;," in page.get_content()
    assert f'<a href="{LINK}">' in page.get_content()
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert "012" not in parsed["Subject"], "a locked telephone shows subjects"


async def test_an_invitation_says_where_to_sign_in_and_carries_no_key(
    desk: Database, mail: RecordingMailServer
) -> None:
    await hear(desk, invited(desk))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    body = message.parsed.get_body(("plain",))
    assert body is not None
    assert "https://forum.example/partners/sign-in" in body.get_content().splitlines()


@pytest.mark.parametrize(
    ("fact", "said", "question"),
    [
        (ReferralMade, {"made_on": date(2012, 2, 3)}, "Please tell us whether you can help them."),
        (ReferralReminded, {"wanted": "answer"}, "Please tell us whether you can help them."),
        (ReferralReminded, {"wanted": "outcome"}, "Please tell us whether it did."),
    ],
)
async def test_a_partner_is_asked_about_a_referral_by_a_link(
    desk: Database, mail: RecordingMailServer, fact: type[Fact], said: dict[str, Any], question: str
) -> None:
    await hear(desk, referred(desk, fact, **said))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain, page = (message.parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    words = " ".join(plain.get_content().split())
    for expected in (question.removesuffix("."), "SG-00417", "Housing", "The Trust", "Dear Minh <Marker>,"):
        assert expected in words
    link = "https://forum.example/partners/referred/aaaabbbbccccddddeeeeffffgg"
    assert link in plain.get_content().splitlines()
    assert f'<a href="{link}">' in page.get_content()
    [row] = await notices(desk)
    assert (row["kind"], row["email"], row["body"]) == (_KIND[fact], None, None)


async def test_whoever_registers_is_asked_to_confirm(desk: Database, mail: RecordingMailServer) -> None:
    link = "https://forum.example/grants/register/aaaabbbbccccddddeeeeffffgg"
    event = told(
        RegistrationAsked,
        uuid4(),
        asking_id=uuid4(),
        expires_at=desk.context.clock.now() + timedelta(days=7),
        address=seal(desk.context.keys, RegistrationAsked, "address", {"email": EMAIL}),
        link=seal(desk.context.keys, RegistrationAsked, "link", {"link": link}),
    )
    await hear(desk, event)
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain = message.parsed.get_body(("plain",))
    assert plain is not None
    assert link in plain.get_content().splitlines()
    assert "You are not registered before you do." in plain.get_content()
    [row] = await notices(desk)
    assert (row["kind"], row["email"], row["body"]) == ("registration", None, None)


async def test_a_registration_whose_address_was_scrubbed_is_no_message(desk: Database) -> None:
    said: dict[str, Any] = {"asking_id": uuid4(), "expires_at": desk.context.clock.now()}
    await hear(desk, told(RegistrationAsked, uuid4(), **said, address=None, link=None))
    assert await notices(desk) == []


@pytest.mark.parametrize(
    ("fact", "said", "expected"),
    [
        (ApplicationLinkRequested, {"send_by": date(2012, 4, 30)}, "30 April 2012"),
        (ApplicationLinkRequested, {"send_by": None}, "There you see where it stands."),
        (ApplicationReminded, {"closes_on": date(2012, 4, 30)}, "The last day is 30 April 2012."),
        (ApplicationSubmitted, {"meets_on": date(2012, 5, 14)}, "The panel meets on 14 May 2012."),
        (ApplicationReturned, {"meets_on": date(2012, 5, 14)}, "Add your <booking>."),
        (ApplicationRefused, {}, "You may apply again in another round."),
        (ApplicationReopened, {}, "it goes to the panel after all."),
        (ApplicationWithdrawn, {}, "Nobody will decide on it."),
        (ApplicationDecided, {}, "offered £145 for your exam, OET. The panel says: Add your <booking>."),
        (ApplicationDecided, {"asked": pounds_sterling(20_000)}, "You asked for £200. The panel says:"),
        (ApplicationDecided, {"purpose": None}, "you are offered £145."),
        (ApplicationDecided, {"replaces": True}, "This takes the place of what we wrote to you before."),
        (
            ApplicationDecided,
            {"decision": "decline", "awarded": None, "answer_by": None},
            "You may apply again in another round.",
        ),
        (
            ApplicationDecided,
            {"decision": "defer", "awarded": None, "answer_by": None},
            "It has not decided yet",
        ),
        (AwardReminded, {}, "The last day to say yes is"),
        (AwardAccepted, {}, "You have said yes to £145."),
        (AwardAccepted, {"paid_to": "person"}, "we pay when we have seen that your exam is booked."),
        (
            AwardAccepted,
            {"paid_to": "exam_body"},
            "we pay the body that holds your exam, when we have seen its invoice.",
        ),
        (
            AwardAccepted,
            {"paid_to": "exam_body", "own_share": pounds_sterling(5_500)},
            "Please pay the rest to them yourself: £55.",
        ),
        (AwardProofReturned, {"proof": "invoice"}, "the invoice that you sent us."),
        (AwardProofReturned, {"proof": "booking"}, "We cannot use it: Add your <booking>."),
        (AwardPaid, {"own_share": pounds_sterling(5_500)}, "Please pay the rest to them yourself: £55."),
        (AwardPaid, {}, "On 28 May 2012 we paid £145 to the body that holds your exam."),
        (AwardPaid, {"paid_to": "person"}, "to your bank account."),
        (AwardReturned, {}, "the bank sent it back."),
        (AwardReturned, {"why": "something new"}, "It will not be paid."),
        (ReportDue, {}, "Please tell us by 20 July 2012"),
        (PostAsked, {}, "Do you work in your profession now?"),
        (ReportDue, {"asked_before": 2}, "our third letter about it, and the last."),
    ],
)
async def test_somebody_who_applies_is_written_to(
    desk: Database, mail: RecordingMailServer, fact: type[Fact], said: dict[str, Any], expected: str
) -> None:
    link = "https://forum.example/grants/applying/aaaabbbbccccddddeeeeffffgg"
    letter = {
        "name": "Thị <Marker>",
        "email": EMAIL,
        "reference": "K7QM-X2PD",
        "round": "Doctors’ exams",
        "link": link,
        "help_name": "Rosa",
        "help_telephone": "020 7946 0001",
        "words": "Add your <booking>.",
    }
    data = {**sample(fact).data, **said, "letter": seal(desk.context.keys, fact, "letter", letter)}
    await hear(desk, told(fact, uuid4(), **data), told(fact, uuid4(), **data | {"letter": None}))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain, page = (message.parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    words = " ".join(plain.get_content().split())
    assert "<booking>" not in page.get_content()
    for part in (expected, "Dear Thị <Marker>,", "Doctors’ exams", "Ring Rosa on 020 7946 0001."):
        assert part in words
    declined = said.get("decision") == "decline"
    if fact not in (ApplicationRefused, ApplicationWithdrawn) and not declined:
        assert link in plain.get_content().splitlines()
        assert f'<a href="{link}">' in page.get_content()
    if fact is ApplicationRefused or declined:
        assert "Add your <booking>." in words
        assert desk.context.house.complaints in words
    assert ("takes the place" in words) is said.get("replaces", False)
    [row] = await notices(desk)
    assert (row["email"], row["body"], row["language"], row["words"]) == (None, None, "en", 1)


@pytest.mark.parametrize(("reserve", "expected"), [(False, "to sit on the panel"), (True, "to be a reserve")])
async def test_somebody_is_asked_to_sit_on_a_panel(
    desk: Database, mail: RecordingMailServer, reserve: bool, expected: str
) -> None:
    letter = {
        "name": "Dr <Marker>",
        "email": EMAIL,
        "round": "Doctors’ exams",
        "link": "https://forum.example/grants/desk",
        "help_name": "Rosa",
        "help_telephone": "020 7946 0001",
    }
    sealed = seal(desk.context.keys, PanelInvited, "letter", letter)
    said = {**sample(PanelInvited).data, "reserve": reserve, "letter": sealed}
    forgotten = said | {"letter": None}
    await hear(desk, told(PanelInvited, uuid4(), **said), told(PanelInvited, uuid4(), **forgotten))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain = message.parsed.get_body(("plain",))
    assert plain is not None
    words = " ".join(plain.get_content().split())
    ringing = "Ring Rosa on 020 7946 0001."
    for part in (expected, "Dear Dr <Marker>,", "Doctors’ exams", "14 May 2012", ringing):
        assert part in words
    assert letter["link"] in plain.get_content().splitlines()
    assert "14 May 2012" in message.parsed["Subject"]
    assert "Doctors" not in message.parsed["Subject"], "a locked telephone shows subjects"


async def test_a_referral_by_hand_is_no_message(desk: Database) -> None:
    said: dict[str, Any] = {"made_on": date(2012, 2, 3), "letter": None, "contact_id": None}
    await hear(desk, told(ReferralMade, uuid4(), **_REFERRAL, **said))
    assert await notices(desk) == []


async def test_an_auditor_is_told_how_far_the_records_go_and_how_to_compare(
    desk: Database, mail: RecordingMailServer
) -> None:
    await hear(desk, heads_reported(desk, grants=77, notifications=1, partners=1204))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    parsed = message.parsed
    plain, page = (parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    words = "\n".join(plain.get_content().splitlines())
    assert "Dear Ingrid <Marker>," in words
    assert "Keep this mail." in words
    assert "In the week from Monday, 28 December 2026:" in words
    assert re.findall(
        r"^(\w+): the last row is number ([\d,]+), and its digest is\n(\w+)$", words, re.MULTILINE
    ) == [
        ("Partners", "1,204", "p" * 64),
        ("Grants", "77", "g" * 64),
        ("Letters", "1", "n" * 64),
    ]
    commands = [
        f"conduit audit verify --service partners --row 1204 --digest {'p' * 64}",
        f"conduit audit verify --service grants --row 77 --digest {'g' * 64}",
        f"conduit audit verify --service notifications --row 1 --digest {'n' * 64}",
    ]
    assert [line for line in words.splitlines() if line.startswith("conduit ")] == commands
    assert re.findall(r"<code>(.*?)</code>", page.get_content()) == commands
    assert "not known" not in words
    assert "Dear Ingrid &lt;Marker&gt;," in page.get_content()
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed["Subject"] == "Please keep: how far the records go, week from 28 December 2026"


def of_agreement(desk: Database, fact: type[Fact], link: str, **more: Any) -> Event:
    notice = {
        "name": "Ioana <Marker>",
        "email": EMAIL,
        "title": "Training dentists & doctors",
        "organisation": "The Trust",
        "link": link,
    }
    sealed = seal(desk.context.keys, fact, "notice", notice)
    ids = {"agreement_id": uuid4(), "organisation_id": uuid4(), **more}
    return told(fact, uuid4(), **ids, notice=sealed)


async def test_whoever_is_to_sign_is_told_where_and_that_looking_commits_to_nothing(
    desk: Database, mail: RecordingMailServer
) -> None:
    link = "https://forum.example/partners/agree/0123456789abcdefghjkmnpqrs"
    await hear(desk, of_agreement(desk, AgreementOffered, link, contact_id=uuid4(), version=2))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain, page = (message.parsed.get_body((kind,)) for kind in ("plain", "html"))
    assert plain is not None
    assert page is not None
    assert link in plain.get_content().splitlines()
    assert "Training dentists & doctors" in plain.get_content().splitlines()
    assert "commits you to nothing" in plain.get_content()
    assert f'<a href="{link}">' in page.get_content()
    assert "Dear Ioana &lt;Marker&gt;," in page.get_content()
    assert "Training" not in message.parsed["Subject"], "a locked telephone shows subjects"


async def test_both_sides_are_told_of_a_review_with_its_day(
    desk: Database, mail: RecordingMailServer
) -> None:
    link = "https://forum.example/partners/agreements/1"
    due = {"recipient_id": uuid4(), "review_on": date(2026, 12, 10)}
    await hear(desk, of_agreement(desk, AgreementReviewDue, link, **due))
    await hear(desk, of_agreement(desk, AgreementReviewDue, "", **due))
    await Courier(desk).turn()
    first, second = mail.to(EMAIL)
    assert first.parsed["Subject"] == "To look at together on 10 December 2026: our agreement"
    assert sorted(link.encode() in message.raw for message in (first, second)) == [False, True]


async def test_a_record_that_nothing_is_known_of_is_said_to_be_one(
    desk: Database, mail: RecordingMailServer
) -> None:
    """And one of a service that has come since this one was made stands under its own name."""
    await hear(desk, heads_reported(desk, archive=5, partners=1204))
    await Courier(desk).turn()
    (message,) = mail.to(EMAIL)
    plain = message.parsed.get_body(("plain",))
    assert plain is not None
    lines = plain.get_content().splitlines()
    assert [line.partition(":")[0] for line in lines if ": not known." in line] == ["Grants", "Letters"]
    shown = [line for line in lines if line.startswith("conduit ")]
    assert [line.split()[4] for line in shown] == ["partners", "archive"]
    assert any(line.startswith("archive: ") for line in lines)


async def test_the_same_event_twice_is_one_message(desk: Database, mail: RecordingMailServer) -> None:
    event = wanted(desk)
    await hear(desk, event)
    await hear(desk, event)
    await asyncio.gather(*(Courier(desk).turn() for _ in range(4)))
    assert len(mail.to(EMAIL)) == 1


@pytest.mark.usefixtures("mail")
async def test_nothing_of_it_is_kept_once_it_has_gone(desk: Database) -> None:
    await hear(desk, wanted(desk))
    assert EMAIL in str(await notices(desk))
    await Courier(desk).turn()
    (kept,) = await notices(desk)
    assert (kept["state"], kept["email"], kept["subject"], kept["body"]) == ("sent", None, None, None)


async def test_what_comes_too_late_is_not_sent(desk: Database, mail: RecordingMailServer) -> None:
    await hear(desk, wanted(desk, good_for=60), invited(desk))
    desk.context.clock.advance(timedelta(seconds=61))
    await Courier(desk).turn()
    assert len(mail.messages) == 1
    await Courier(desk).tidy()
    assert sorted(await states(desk)) == ["late", "sent"]
    assert "012345" not in str(await notices(desk))


async def test_one_that_is_refused_does_not_hold_up_the_next(
    desk: Database, mail: RecordingMailServer
) -> None:
    mail.treat(NO_SUCH_MAILBOX, EMAIL)
    await hear(desk, wanted(desk), wanted(desk, email="other@forum.example"))
    await Courier(desk).turn()
    assert sorted(await states(desk)) == ["failed", "sent"]
    assert len(mail.to("other@forum.example")) == 1


async def said_failed(desk: Database) -> list[tuple[str, Any]]:
    """Of which kinds it was announced that they did not arrive, and for whom."""
    told = [event for event in await announced(desk) if event.fact is NoticeFailed]
    assert set(sample(NoticeFailed).data) == {name for event in told for name in event.data} or not told
    return sorted((event.data["kind"], event.data["person_id"]) for event in told)


async def test_that_one_did_not_arrive_is_told_to_whoever_can_put_it_right(
    desk: Database, mail: RecordingMailServer
) -> None:
    mail.treat(NO_SUCH_MAILBOX, EMAIL)
    events = [invited(desk), wanted(desk), wanted(desk, email="other@forum.example")]
    await hear(desk, *events)
    await Courier(desk).turn()
    assert await said_failed(desk) == [
        ("invitation", events[0].data["person_id"]),
        ("sign_in", events[1].data["person_id"]),
    ]
    assert "@" not in "".join(str(event.data) for event in await announced(desk))


async def test_an_invitation_that_the_mail_server_never_took_is_told_as_well(desk: Database) -> None:
    """A link to sign in is not: whoever waited for it has asked again."""
    event = invited(desk)
    await hear(desk, event, wanted(desk))
    desk.context.clock.advance(timedelta(days=3, seconds=1))
    await Courier(desk).tidy()
    await Courier(desk).tidy()
    assert await states(desk) == ["late", "late"]
    assert await said_failed(desk) == [("invitation", event.data["person_id"])]


async def test_a_server_that_is_away_is_logged_once_and_so_is_its_return(
    make_database: MakeDatabase, mail: RecordingMailServer, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    desk = await make_database("notifications")
    settings = desk.context.settings
    port = free_port()
    desk.context = replace(desk.context, settings=replace(settings, smtp_url=f"smtp://127.0.0.1:{port}"))
    await hear(desk, invited(desk))
    for _ in range(3):
        await Courier(desk).turn()
        desk.context.clock.advance(timedelta(seconds=60))
    words = "takes no connections: is it running, and is the port in CONDUIT_SMTP_URL right?"
    assert [(line["event"], line["reason"]) for line in logged() if line["event"].startswith("mail_")] == [
        ("mail_server_away", f"127.0.0.1:{port} {words}")
    ]


async def test_when_it_cannot_be_known_it_does_not_go_again(
    desk: Database, mail: RecordingMailServer
) -> None:
    mail.treat(CUT_AFTER_DOT, EMAIL)
    await hear(desk, wanted(desk))
    for _ in range(3):
        await Courier(desk).turn()
        desk.context.clock.advance(timedelta(seconds=60))
    assert await states(desk) == ["unknown"]
    assert len(mail.to(EMAIL)) <= 1


async def test_what_a_lost_sender_held_does_not_go_again(desk: Database, mail: RecordingMailServer) -> None:
    await hear(desk, invited(desk))
    await Courier(desk)._claim()  # and then its process is killed
    desk.context.clock.advance(timedelta(minutes=5))
    await Courier(desk).tidy()
    await Courier(desk).turn()
    assert await states(desk) == ["unknown"]
    assert mail.messages == []


@pytest.mark.usefixtures("mail")
async def test_in_the_end_it_is_forgotten_that_there_was_one(desk: Database) -> None:
    await hear(desk, wanted(desk))
    await Courier(desk).turn()
    desk.context.clock.advance(timedelta(days=93))
    assert (await scrub_old(desk, TERMS))["messages"] == 1
    assert await notices(desk) == []


async def test_a_request_whose_keys_were_scrubbed_is_no_message(desk: Database) -> None:
    until = desk.context.clock.now() + timedelta(minutes=1)
    await hear(desk, told(SignInRequested, uuid4(), person_id=UUID(int=1), expires_at=until, keys=None))
    assert await notices(desk) == []
