"""``conduit events follow``: where a message has been, what it caused, and what of it was mailed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.testing import NO_SUCH_MAILBOX
from contracts.envelope import CONTENT_TYPE
from contracts.topology import GRANTS, INBOXES, NOTIFICATIONS, PARTNERS
from tests.access import form_key
from tests.faults.world import World, eventually
from tests.journeys.running import last_line_as_json

pytestmark = pytest.mark.timeout(400)

NAME, ADDRESS = "Marker Person", "followed@forum.example"


@dataclass(frozen=True)
class Followed:
    """What the command says of an id, for a person and for a program."""

    world: World
    id: str

    @cached_property
    def text(self) -> str:
        return self._said()

    @cached_property
    def story(self) -> Mapping[str, Any]:
        return dict(last_line_as_json(self._said("--json")))

    def _said(self, *options: str) -> str:
        done = self.world.conduit("events", "follow", self.id, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def step(self) -> Mapping[str, Any]:
        [found] = self.story["steps"]
        return dict(found)


def outcomes(step: Mapping[str, Any]) -> dict[str, str]:
    return {fate["service"]: fate["outcome"] for fate in step["fates"]}


def test_a_message_is_followed_through_every_service_to_the_mail_and_back(world: World) -> None:
    """Somebody is invited at an address that does not exist, so that the mail's failure goes back."""
    world.mail.treat(NO_SUCH_MAILBOX, ADDRESS)
    running = world.running[PARTNERS]
    fields = {"name": NAME, "email": ADDRESS, "roles": "staff", "key": form_key()}
    address = f"{running.url}/partners/people/invite"
    assert httpx.post(address, data=fields, cookies=running.cookies, timeout=20).status_code == 303
    found = (
        "SELECT id FROM outbox WHERE type = 'partners.person_invited.v1' ORDER BY recorded_at DESC LIMIT 1"
    )
    invited = str(world.select(PARTNERS, found)[0]["id"])
    eventually(
        lambda: "notice_failed.v1" in (text := Followed(world, invited).text) and "partners: handled" in text,
        lambda: Followed(world, invited).text,
    )
    followed = Followed(world, invited)
    step = followed.step
    assert (step["id"], step["announced_by"]) == (invited, PARTNERS)
    assert step["attempts"] >= 1
    assert outcomes(step) == {NOTIFICATIONS: "handled"}
    assert [(each["what"], each["state"]) for each in step["mailed"]] == [("message “invitation”", "failed")]
    [failed] = step["caused"]
    assert (failed["type"], failed["announced_by"]) == ("notifications.notice_failed.v1", NOTIFICATIONS)
    assert outcomes(failed) == {PARTNERS: "handled"}
    assert failed["caused"] == []
    back = Followed(world, failed["id"])
    assert UUID(back.step["id"]) == UUID(failed["id"])
    assert back.story["because_of"] == [f"{step['type']} {invited}"]
    whole = Followed(world, followed.story["correlationid"])
    assert {"partners.person_admitted.v1", "partners.person_invited.v1"} <= {
        each["type"] for each in whole.story["steps"]
    }
    for each in (followed, whole):
        said = each.text + json.dumps(each.story)
        assert NAME not in said
        assert ADDRESS not in said


def test_a_story_tells_of_the_letters_that_it_let_go(world: World) -> None:
    heard = "SELECT 1 FROM inbox WHERE type = 'notifications.letter_sent.v1'"
    eventually(lambda: len(world.select(PARTNERS, heard)) >= 8, lambda: "partners has not heard of all")
    [campaign] = world.select(
        NOTIFICATIONS, "SELECT correlationid FROM campaigns ORDER BY released_at LIMIT 1"
    )
    story = Followed(world, campaign["correlationid"]).story
    [letters] = story["mailed"]
    assert (letters["what"], letters["state"], letters["count"]) == ("letters", "sent", 8)
    sent = [each for each in story["steps"] if each["type"] == "notifications.letter_sent.v1"]
    assert len(sent) == 8
    assert all(PARTNERS in outcomes(each) for each in sent)


def test_a_parked_message_says_why_and_an_id_that_nobody_knows_says_so(world: World) -> None:
    id = str(uuid4())
    envelope = {"specversion": "1.0", "id": id, "source": "/elsewhere", "subject": "x", "sequence": 1}
    envelope |= {
        "type": "partners.person_admitted.v1",
        "time": "2011-11-01T00:00:00Z",
        "data": {"email": ADDRESS},
    }
    with world.channel() as channel:
        message = channel.prepare_message(json.dumps(envelope).encode(), content_type=CONTENT_TYPE)
        channel.basic_publish(message, exchange="", routing_key=INBOXES[GRANTS])
    eventually(
        lambda: world.select(GRANTS, "SELECT 1 FROM parked"),
        lambda: "nothing is parked",
    )
    [parked] = world.select(GRANTS, "SELECT id FROM parked")
    followed = Followed(world, str(parked["id"]))
    assert f"{GRANTS}: parked" in followed.text
    assert "because invalid_data" in followed.text
    assert "waits for you" in followed.text
    assert ADDRESS not in followed.text
    assert world.conduit("events", "discard", GRANTS, str(parked["id"])).returncode == 0
    assert f"{GRANTS}: discarded" in Followed(world, str(parked["id"])).text
    for unknown in (str(uuid4()), "x"):
        said = world.conduit("events", "follow", unknown)
        assert said.returncode == 1
        assert "No service knows" in said.stderr or "not an id" in said.stderr
