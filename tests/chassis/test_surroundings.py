"""What a process stands on: the disk of its home, and the certificate that browsers are shown."""

import asyncio
import gc
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chassis import metrics
from chassis.config import Settings
from chassis.surroundings import Surroundings
from chassis.testing import LOOPBACK
from tests.certificates import Certificate, Server, in_front_of


def value(name: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(name, labels)
    assert found is not None
    return found


async def test_the_end_of_a_certificate_is_seen_whoever_signed_it(tmp_path: Path, settings: Settings) -> None:
    name = "conduit_certificate_expiry_timestamp_seconds"
    proxy = Server(Certificate.write(tmp_path, "elsewhere.example"))
    async with proxy.serving() as port:
        over_tls = replace(settings, public_url=f"https://{LOOPBACK}:{port}")
        surroundings = Surroundings(over_tls)
        assert value(name, host=LOOPBACK) == float("inf")
        await surroundings.look_at_certificate()
    seen = value(name, host=LOOPBACK)
    assert abs(seen - (datetime.now(UTC) + timedelta(hours=1)).timestamp()) < 60
    await surroundings.look_at_certificate()  # nobody is there any more: what was seen stays
    assert value(name, host=LOOPBACK) == seen
    assert len(Surroundings(settings).turns) == len(surroundings.turns) - 1


def test_looking_at_a_certificate_leaves_no_connection(tmp_path: Path, settings: Settings) -> None:
    """A command's loop ends right after it, before the other side can have said goodbye."""
    with (
        in_front_of(0, Certificate.write(tmp_path, "elsewhere.example")) as port,
        warnings.catch_warnings(record=True) as left,
    ):
        warnings.simplefilter("always")
        surroundings = Surroundings(replace(settings, public_url=f"https://{LOOPBACK}:{port}"))
        for _ in range(20):
            asyncio.run(surroundings.look_at_certificate())
        gc.collect()
    assert [str(each.message) for each in left] == []
    assert value("conduit_certificate_expiry_timestamp_seconds", host=LOOPBACK) < float("inf")


async def test_room_on_the_disk(settings: Settings) -> None:
    await Surroundings(settings).look_at_disk()
    assert 0 < value("conduit_disk_free_bytes") < value("conduit_disk_size_bytes")
