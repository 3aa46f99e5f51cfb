"""The pages that are measured, as Django shows them: its ORM, its templates, on the same database.

A session in a signed cookie, as ours is; connections stay open. A page is filled up to as many bytes as the
header ``X-Bytes`` says, so that both sides send the same amount; ``X-Statements`` says how many statements it
took.
"""

import os
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.wsgi import get_wsgi_application
from django.urls import path

from tests.benchmarks.peer_database import peer_database

settings.configure(
    SECRET_KEY="of this measurement alone",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": peer_database(os.environ["PEER_DATABASE_URL"])},
    INSTALLED_APPS=[
        "django.contrib.sessions",
        "django.contrib.postgres",
        "tests.benchmarks.django_register",
        "tests.benchmarks.django_panel",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    # Without DEBUG they are read once.
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [Path(__file__).parent / "django_templates"],
        }
    ],
    USE_TZ=True,
)
django.setup()

from tests.benchmarks.django_pages import signed_in  # noqa: E402 - Django must be set up
from tests.benchmarks.django_panel import views as panel  # noqa: E402
from tests.benchmarks.django_register import views as register  # noqa: E402


def cookie(person: str) -> str:
    """The cookie of somebody who has signed in."""
    session = SessionStore()
    session["person"] = person
    session.save()
    return f"sessionid={session.session_key}"


urlpatterns = [
    path("partners/organisations", signed_in(register.organisations)),
    path("partners/organisations/<uuid:id>", signed_in(register.organisation)),
    path("grants/desk", signed_in(panel.desk)),
    path("grants/desk/cases/<uuid:id>", signed_in(panel.case)),
    path("grants/meetings/<uuid:id>", signed_in(panel.meeting)),
]
application = get_wsgi_application()

if __name__ == "__main__":
    sys.stdout.write("\n".join(map(cookie, sys.argv[1:])) + "\n")
