"""Logs that cannot carry personal data, whoever speaks."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from chassis import log
from chassis.context import Cause, because_of

SECRET = "Zoë Marker"

Lines = Callable[[], list[dict[str, Any]]]

#: Made when this module is imported, like those of the services: before anything was configured.
EARLY = log.logger("early")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    """What is logged from now on."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    log.configure("info", json=True)

    def read() -> list[dict[str, Any]]:
        captured = capsys.readouterr()
        assert captured.out == ""
        assert SECRET not in captured.err
        return [json.loads(line) for line in captured.err.splitlines()]

    yield read
    structlog.reset_defaults()
    root.handlers, root.level = before, level


def fail() -> None:
    raise ValueError(SECRET)


def caught(function: Callable[[], object]) -> Exception:
    try:
        function()
    except ValueError as error:
        return error
    raise AssertionError("it did not fail")


def test_known_fields_are_logged(lines: Lines) -> None:
    log.logger("tests").info("done", service="grants", count=3, correlationid="c")
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "done",
        "level": "info",
        "what": "tests",
        "service": "grants",
        "count": 3,
        "correlationid": "c",
    }


def test_all_others_are_dropped_also_by_a_logger_that_is_older_than_the_configuration(lines: Lines) -> None:
    for speaking in (EARLY, log.logger("late")):
        speaking.info("done", email=SECRET, contact={"type": SECRET}, exc_info=True, stack=SECRET)
    assert [set(line) for line in lines()] == [{"event", "level", "timestamp", "what"}] * 2


def test_a_form_that_is_broken_is_no_news(lines: Lines) -> None:
    logging.getLogger("python_multipart.multipart").warning("Expected boundary character %r", SECRET)
    assert lines() == []


def test_the_level_holds(lines: Lines) -> None:
    EARLY.debug("quiet")
    EARLY.warning("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_an_exception_is_its_type_and_the_last_line_of_ours() -> None:
    described = log.describe(caught(fail))
    assert described["error"] == "ValueError"
    assert described["at"].startswith("test_log.py:")
    assert log.describe(caught(lambda: json.loads("{")))["at"].startswith("test_log.py:")
    assert log.describe(ValueError(SECRET)) == {"error": "ValueError", "at": ""}


def test_a_library_is_heard_but_not_quoted(lines: Lines) -> None:
    library = logging.getLogger("some.library")
    library.info("sent to %s", SECRET)
    library.warning("cannot send to %s", SECRET)
    library.error(SECRET, extra={"address": SECRET})
    try:
        fail()
    except ValueError:
        library.exception("failed for %s", SECRET)
    said = lines()
    assert [line["level"] for line in said] == ["warning", "error", "error"]
    assert {line["event"] for line in said} == {"library_notice"}
    assert {line["what"] for line in said} == {"some.library"}
    assert said[2]["error"] == "ValueError"
    assert all(line["at"].startswith("test_log.py:") for line in said)


async def test_a_task_that_nobody_waited_for(lines: Lines) -> None:
    async def failing() -> None:
        fail()

    task = asyncio.get_running_loop().create_task(failing())
    await asyncio.wait({task})
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"never retrieved {SECRET}", "exception": task.exception(), "task": task}
    )
    assert [(line["what"], line["error"]) for line in lines()] == [("asyncio", "ValueError")]


def test_a_line_cannot_be_made_to_look_like_two(lines: Lines) -> None:
    EARLY.info("done", subject='x"}\n{"event": "forged"}')
    assert len(lines()) == 1


def told_by(script: str) -> str:
    """What a process of its own says on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == ""
    assert SECRET not in done.stderr
    return done.stderr


def test_a_broken_record_of_a_library_is_not_quoted_either() -> None:
    script = (
        "import logging; from chassis import log; log.configure('info', json=True); "
        f"logging.getLogger('some.library').warning('%d letters', {SECRET!r})"
    )
    assert json.loads(told_by(script))["what"] == "some.library"


def test_people_get_lines_of_words() -> None:
    script = (
        "from chassis import log; early = log.logger('early'); log.configure('info', json=False); "
        f"early.info('done', count=3, email={SECRET!r})"
    )
    told = told_by(script)
    assert "done" in told
    assert "count=3" in told


def test_a_line_says_of_which_story_it_is_a_part(lines: Lines) -> None:
    trace = "a" * 32
    with because_of(Cause(correlationid="1a", traceparent=f"00-{trace}-{'b' * 16}-01")):
        EARLY.info("within")
        EARLY.info("of_another", correlationid="2b")
    EARLY.info("outside")
    assert [(line.get("correlationid"), line.get("traceid")) for line in lines()] == [
        ("1a", trace),
        ("2b", trace),
        (None, None),
    ]
