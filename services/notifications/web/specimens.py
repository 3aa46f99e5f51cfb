"""The very e-mail as a file, for somebody's own mail program: a specimen that goes to nobody.

It leads nowhere either: whoever makes its contents leaves the secret out of the recipient's link.
"""

from uuid import uuid4

from starlette.responses import Response

from chassis.apart import apart
from chassis.context import Context
from chassis.errors import Conflict
from chassis.web import give_bytes
from services.notifications.campaigns import sender_of
from services.notifications.rendering import NOWHERE, LetterContent, UnsafeHeader, file_name, render_specimen


async def give_specimen(
    context: Context,
    content: LetterContent,
    printed: LetterContent,
    *,
    what: str = "letter",
    number: int | None = None,
) -> Response:
    """The e-mail that says `content` with `printed` attached, made apart.

    Args:
        what: "letter" or "chaser", as its file is called.
        number: which of its letter's chasers it is, where it is made already.

    Raises:
        Conflict: when it cannot be an e-mail.
    """
    sender, message_id = sender_of(context), f"<{uuid4()}@{NOWHERE}>"
    named = content.reference if number is None else f"{content.reference}-{number}"
    try:
        mail = await apart(render_specimen, content, printed, sender, message_id, made_at=context.clock.now())
        return give_bytes(file_name(named, "eml", what), "message/rfc822", mail)
    except UnsafeHeader as unsafe:
        cure = "Put that right in the words, or in the register, and write the letters anew."
        raise Conflict(str(unsafe), cure) from None
