"""The meaning of Meta's error codes, for whoever reads `salambot webhook list`.

https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
"""

from salambot.webhooks.channels.base import clean_id, clean_text

_WORDS = {
    "4": "the app sends too many requests: wait",
    "10": "the token may not send messages: give its system user the permission whatsapp_business_messaging",
    "190": "the token has expired or was revoked: make a new one",
    "368": "the account is blocked for a while: it broke WhatsApp's policy",
    "100": "a parameter is wrong",
    "130429": "too many messages at once: Meta's rate limit is reached",
    "130472": "the customer is part of an experiment of Meta's: this message is not delivered to them",
    "130497": "the account may not send to customers of this country",
    "131000": "something went wrong at Meta: it may work later",
    "131005": "the token lacks a permission",
    "131008": "a required parameter is missing",
    "131009": "a parameter has a value that is not allowed",
    "131016": "WhatsApp is not available at the moment",
    "131021": "sender and recipient are the same number",
    "131026": "the number cannot receive it: not on WhatsApp, or an old version of the app",
    "131030": "the recipient is not on the list of test numbers",
    "131031": "the business account is locked",
    "131037": "the display name of the number is not approved yet",
    "131042": "the payment method of the business account has a problem",
    "131045": "the phone number is not registered",
    "131047": "more than 24 hours since the customer wrote: only a template may be sent",
    "131048": "the number sends too much that customers report or block",
    "131049": "Meta limits how many marketing messages a customer gets",
    "131050": "the customer stopped marketing messages",
    "131051": "WhatsApp cannot deliver this type of message",
    "131052": "the customer's file could not be downloaded",
    "131053": "a file could not be uploaded",
    "131056": "too many messages to the same customer in a short time",
    "131057": "the account is in maintenance",
    "133010": "the phone number is not registered with the Cloud API",
}
_MAX_TITLE = 120


def in_words(error: dict[str, object]) -> str:
    """Return an error of a status as its code and what it means; for an unknown code what Meta says."""
    code = clean_id(error, "code") or "?"
    said = clean_text(error, "title") or clean_text(error, "message")
    printable = "".join(letter for letter in said[:_MAX_TITLE] if letter.isprintable())
    return f"{code}: {_WORDS.get(code) or printable or 'no reason given'}"
