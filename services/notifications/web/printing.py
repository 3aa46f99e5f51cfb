"""What is printed, as a file of a browser."""

from starlette.responses import Response

from chassis.apart import apart
from chassis.web import FILE_POLICY
from services.notifications.rendering import LetterContent, render_pdf


async def give_pdf(content: LetterContent, name: str) -> Response:
    """A letter as a PDF of that name, made apart."""
    pdf = await apart(render_pdf, content)
    headers = {"content-disposition": f'inline; filename="{name}"', "content-security-policy": FILE_POLICY}
    return Response(pdf, media_type="application/pdf", headers=headers)
