"""A report as a mail: text, HTML and its files. The same report is the same bytes, also by name.

`Message-ID` is made of week, version, scope and recipient, so that a mail sent twice after a crash
is one mail in the mailbox of a receiver that minds it.
"""

from __future__ import annotations

import hashlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import quote, urlsplit

from analyzer.notify.channels.message import Mail, Message
from analyzer.reports.delivery.parcel import Parcel
from analyzer.reports.delivery.settings import DeliverySettings
from analyzer.reports.document import Document
from analyzer.reports.html_file import html_of
from analyzer.reports.page import Page
from analyzer.reports.text_file import text_of
from analyzer.reports.views import page_of

_ROWS = 30


def letter(parcel: Parcel, delivery: DeliverySettings, recipient: str, link: str) -> Message:
    """The mail to one recipient, with its envelope."""
    document = parcel.document
    page = page_of(document, most=_ROWS)
    mail = _begun(document, page, delivery, recipient)
    where = f"{link}/reports/{quote(document.statement.week, safe='')}"
    size = sum(len(piece.data) for piece in parcel.pieces)
    attached = size <= delivery.max_bytes
    words = "" if attached else f"\nThe files are too large for a mail ({size:,} bytes): {where}\n"
    mail.set_content(text_of(page) + words, cte="quoted-printable")
    mail.add_alternative(html_of(page, link=where if not attached else ""), subtype="html",
                         cte="quoted-printable")  # fmt: skip
    if attached:
        for piece in parcel.pieces:
            kind, _, sub = piece.content_type.partition(";")[0].partition("/")
            name = piece.path.rpartition("/")[2]
            mail.add_attachment(piece.data, maintype=kind, subtype=sub, filename=name)
    _fix_boundaries(mail, message_id(document, recipient, delivery.sender))
    envelope = Mail(
        parseaddr(delivery.sender)[1],
        (parseaddr(recipient)[1],),
        delivery.username,
        delivery.password,
    )
    return Message(delivery.target, mail.as_bytes(), "message/rfc822", mail=envelope)


def message_id(document: Document, recipient: str, sender: str) -> str:
    """`<2026-W47.2.finance.0123456789abcdef@example.com>`."""
    scope = f"{document.view}|{document.tenant or ''}|{recipient}|{document.sha256}"
    digest = hashlib.sha256(scope.encode()).hexdigest()[:16]
    host = parseaddr(sender)[1].rpartition("@")[2]
    return f"<{document.statement.week}.{document.version}.{document.view}.{digest}@{host}>"


def _begun(
    document: Document, page: Page, delivery: DeliverySettings, recipient: str
) -> EmailMessage:
    s = document.statement
    mail = EmailMessage(policy=SMTP)
    mail["From"] = _address(delivery.sender)
    mail["To"] = _address(recipient)
    again = f" (version {document.version})" if document.version > 1 else ""
    mail["Subject"] = _one_line(f"{page.title}{again}: {page.sentence}")[:180]
    # The date of the statement, not of the try: the same bytes whenever it is sent.
    mail["Date"] = format_datetime(s.end)
    mail["Message-ID"] = message_id(document, recipient, delivery.sender)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Partywall-Week"] = f"{s.week} v{document.version}"
    stop = delivery.unsubscribe or f"mailto:{parseaddr(delivery.sender)[1]}?subject=unsubscribe"
    if not urlsplit(stop).scheme:
        stop = f"mailto:{stop}"
    mail["List-Unsubscribe"] = f"<{_one_line(stop)}>"
    if stop.startswith("https:"):
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return mail


def _fix_boundaries(mail: EmailMessage, name: str) -> None:
    """Boundaries would be random: the same report must be the same bytes."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:24]
    for number, part in enumerate(p for p in mail.walk() if p.is_multipart()):
        part.set_boundary(f"partywall-{digest}-{number}")


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(display_name=_one_line(name), addr_spec=address)


def _one_line(text: str) -> str:
    """Without line breaks and control characters: a name must not write headers."""
    kept = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(kept.split())
