"""The pages that the link in a mail leads to: without scripts, and nothing from elsewhere is loaded into them."""

from __future__ import annotations

from html import escape

from service_kit.http.request import Answer

_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_HEADERS = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),  # the address of the page has the token
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body style="font-family: sans-serif; max-width: 40em; margin: 3em auto; padding: 0 1em">
<h1>{title}</h1>
{body}
</body>
</html>
"""


def question(app_name: str, purpose: str, address: str, sid: str, token: str) -> Answer:
    """Asks for a click. Opening the page alone proves nothing: programs that look into mails open their links, too."""
    hidden = f'<input type="hidden" name="sid" value="{escape(sid)}">'
    hidden += f'<input type="hidden" name="token" value="{escape(token)}">'
    words, button = _QUESTIONS.get(purpose, _QUESTIONS["add"])
    body = (
        f"<p>{words.format(address=escape(address), app_name=escape(app_name))}</p>"
        f'<form method="post" action="">{hidden}<button type="submit">{button}</button></form>'
    )
    return _page(200, app_name, body)


def done(app_name: str) -> Answer:
    return _page(200, app_name, "<p>Thank you. You can close this page and go on where you began.</p>")


def refused(app_name: str, status: int, why: str) -> Answer:
    return _page(status, app_name, f"<p>{escape(why)}</p>")


def elsewhere(link: str) -> Answer:
    """To a link that the configuration allows."""
    return Answer(303, b"", (*_HEADERS, (b"location", link.encode("ascii"))))


_QUESTIONS = {
    "register": ("Is {address} your address, and do you want an account at {app_name} with it?", "Confirm"),
    "add": ("Is {address} your address, and shall it be added to your account at {app_name}?", "Confirm"),
    "reset": (
        "Do you want to set a new password for the account at {app_name} with the address {address}? If you did not "
        "ask for this yourself, close this page.",
        "Allow a new password",
    ),
}


def _page(status: int, title: str, body: str) -> Answer:
    return Answer(status, _PAGE.format(title=escape(title), body=body).encode(), _HEADERS)
