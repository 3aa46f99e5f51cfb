"""Pages and API: one web server per process, one application per service, the same rules for all.

The gate answers only to known Host names and refuses cross-site requests, because loopback is no wall
against a browser. Every error becomes a page or an RFC 9457 problem that says what to do, never a trace.
"""

from chassis.context import Section
from chassis.web.access import (
    Forbidden,
    at_a_glance,
    has_proved,
    new_key,
    page,
    require_proof,
    signed_in,
)
from chassis.web.api import give, operation, read_document
from chassis.web.editing import (
    Difference,
    Meanwhile,
    base_of,
    differences,
    etag,
    meanwhile,
    merged,
    read_base,
    read_if_match,
    read_revision,
    same_text,
    stale,
)
from chassis.web.errors import BadRequest, TooLarge
from chassis.web.fields import Faults, add_faults, fault, fault_of, read_field, read_fields
from chassis.web.files import (
    CSV,
    DOCX,
    JPEG,
    JSON,
    LARGEST_FILE,
    PDF,
    PNG,
    Kind,
    Upload,
    give_bytes,
    give_file,
    give_made,
    kind_of,
    read_upload,
    saved_as,
)
from chassis.web.gate import FILE_POLICY, SECRET_ADDRESS, SECURITY_HEADERS, Gate
from chassis.web.idempotency import once, see
from chassis.web.pages import Site, application, site_of
from chassis.web.pressing import Find, Press
from chassis.web.publishing import publish, publish_file
from chassis.web.reading import read_asked_id, read_form, read_id, read_json, read_pounds
from chassis.web.secret import private, unknown_link
from chassis.web.server import WebServer
from chassis.web.static import asset
from chassis.web.stream import live
from chassis.web.streamed import Streamed
from chassis.web.tables import give_table, table
from chassis.web.templates import environment, render
from chassis.web.words import day, pounds, short_name, size_in_words, when

__all__ = [
    "CSV",
    "DOCX",
    "FILE_POLICY",
    "JPEG",
    "JSON",
    "LARGEST_FILE",
    "PDF",
    "PNG",
    "SECRET_ADDRESS",
    "SECURITY_HEADERS",
    "BadRequest",
    "Difference",
    "Faults",
    "Find",
    "Forbidden",
    "Gate",
    "Kind",
    "Meanwhile",
    "Press",
    "Section",
    "Site",
    "Streamed",
    "TooLarge",
    "Upload",
    "WebServer",
    "add_faults",
    "application",
    "asset",
    "at_a_glance",
    "base_of",
    "day",
    "differences",
    "environment",
    "etag",
    "fault",
    "fault_of",
    "give",
    "give_bytes",
    "give_file",
    "give_made",
    "give_table",
    "has_proved",
    "kind_of",
    "live",
    "meanwhile",
    "merged",
    "new_key",
    "once",
    "operation",
    "page",
    "pounds",
    "private",
    "publish",
    "publish_file",
    "read_asked_id",
    "read_base",
    "read_document",
    "read_field",
    "read_fields",
    "read_form",
    "read_id",
    "read_if_match",
    "read_json",
    "read_pounds",
    "read_revision",
    "read_upload",
    "render",
    "require_proof",
    "same_text",
    "saved_as",
    "see",
    "short_name",
    "signed_in",
    "site_of",
    "size_in_words",
    "stale",
    "table",
    "unknown_link",
    "when",
]
