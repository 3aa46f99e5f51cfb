"""``python -m tests.benchmarks.django_sender DATABASE_URL SMTP_PORT WORKERS``: the same letters by Django.

Its ORM claims one row after the other, WeasyPrint sets it, Django's own mail hands it over with the PDF
attached, and the row is marked: in as many processes as are wanted, each with its own connections.
It answers with one line of JSON: letters sent, and seconds.
"""

import json
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context

from tests.benchmarks.weasyprint_peer import print_letter


def send_all(database_url: str, smtp_port: int) -> int:
    """Send whatever waits. How many."""
    import django
    from django.conf import settings

    from tests.benchmarks.peer_database import peer_database

    settings.configure(
        DATABASES={"default": peer_database(database_url)},
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=smtp_port,
        USE_TZ=True,
    )
    django.setup()
    from django.core import mail
    from django.db import models, transaction

    class Letter(models.Model):
        """A letter that waits, and what it says."""

        email = models.TextField()
        state = models.TextField()
        values = models.JSONField()

        class Meta:
            app_label = "peer"
            db_table = "peer_letters"
            managed = False

    sent = 0
    with mail.get_connection() as connection:
        while True:
            with transaction.atomic():
                waiting = Letter.objects.select_for_update(skip_locked=True).filter(state="ready")
                letter = waiting.order_by("id").first()
                if letter is None:
                    return sent
                letter.state = "sending"
                letter.save(update_fields=["state"])
            values = letter.values
            text = "\n\n".join(line for part in values["body"] for line in part["lines"])
            message = mail.EmailMultiAlternatives(
                values["subject"], text, "office@forum.example", [letter.email], connection=connection
            )
            message.attach_alternative(f"<p>{text}</p>", "text/html")
            message.attach("letter.pdf", print_letter(values), "application/pdf")
            message.send()
            letter.state = "sent"
            letter.save(update_fields=["state"])
            sent += 1


def main(arguments: Sequence[str]) -> None:
    url, port, workers = arguments[0], int(arguments[1]), int(arguments[2])
    started = time.monotonic()
    with get_context("spawn").Pool(workers) as processes:
        sent = sum(processes.starmap(send_all, [(url, port)] * workers))
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
