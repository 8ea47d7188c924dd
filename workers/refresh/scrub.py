"""Personal data leaves the text before it trains anything. Pure: patterns and names."""

from __future__ import annotations

import re
import unicodedata

from workers.refresh.names import NOBODY, Names

_EMAIL = re.compile(r"\b[\w.+-]{1,256}@(?:[\w-]+\.)+[^\W\d_]{2,}\b")  # package@1.2.3 is none
_SECRET = re.compile(
    r"\b(?:xox[abposr]-[\w-]{8,}|sk-[\w-]{16,}|gh[pousr]_\w{20,}|AKIA[A-Z0-9]{16})"
)
_NUMBER = re.compile(r"\d[\d ()./-]{5,24}\d")  # in every one that goes, but for accounts
_MENTION = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]{0,256})?>|@[UW][A-Z0-9]{8,}\b")
_CARD = re.compile(r"(?<![\w./=&-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])")
_ISSUERS = re.compile(r"4|5[0-8]|2(?:2[2-9]|[3-6]|7[01])|3[0-9]|6")  # ISO/IEC 7812, payment cards

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_HOST = re.compile(  # 0.0.0.0 and 127.0.0.1 are nobody's
    rf"(?<![\w.])(?<!\w/)(?!0|127\.)(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.\d)"
)

# A national number says that it is one by its shape alone, so it has to be one that dates, amounts,
# versions and identifiers do not have.
_LEFT, _RIGHT = r"(?<![\w./=&+-])(?<!\d[,:])", r"(?![\w%]|[-/.,:]\d)"
_PHONE = re.compile(
    _LEFT
    + r"""(?:
      (?:\+|00(?=[1-9]\d?[ ./()-]))[1-9]\d{0,2}[ ./-]?(?:\(\d{1,5}\)[ ./-]?)?\d(?:[ ./-]?\d){5,11}
    | (?:\+|00)[1-9]\d{8,13}
    | \(0\d{1,5}\)[ ./-]?\d(?:[ ./-]?\d){4,9}            # (030) 123 45 67
    | \(\d{2}\)[ ]?\d{4,5}-\d{4}                         # (11) 98765-4321
    | 0[1-9]\d{8,9}                                      # 01711234567
    | 0[1-9]\d{0,4}(?:[ ]?[/-][ ]?|[ ])\d(?:[ /-]?\d){5,9}
    | 0[1-9](?P<pair>[. -])\d\d(?:(?P=pair)\d\d){3}      # 01.23.45.67.89
    | 0[1-9]\d{1,3}\.\d{3,4}\.\d{3,4}
    | (?:\+?1(?:[ .-]|[ ]-[ ]))?(?:\([1-9]\d{2}\)[ ]?|[1-9]\d{2}(?:[ .-]|[ ]-[ ]))
      \d{3}(?:[ .-]|[ ]-[ ])\d{4}
    | \(\+[1-9]\d{0,2}\)[ ]?\d(?:[ ./-]?\d){5,11}
    | (?:86[ -])?1[3-9]\d(?P<han>[ -])\d{4}(?P=han)\d{4}
    )"""
    + _RIGHT,
    re.VERBOSE,
)
_TOLD = re.compile(  # what is called a phone number is one, whatever its shape
    r"(?i)(\b(?:tele(?:phone|fon|fono|foon)?|tel|phone|fax|mobile|cell|handy|mobil|t[ée]l|m[óo]vil"
    r"|tel[ée]fono)(?:[ .-]{0,2}(?:no|nr|number|nummer))?\.?[: ]{1,3}"
    r"|(?:电话|手机|電話|手機|携帯|전화)(?:号码|番号|번호)?[：: ]{0,2})"
    r"(\+?\(?\d[\d ()./-]{5,24}\d)" + _RIGHT
)
_DATE = re.compile(
    r"(?<!\d)(?:\d{1,2}([./ -])\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./ -])\d{1,2}\2\d{1,2}"
    r"|(?:19|20)\d\d ?[/-] ?(?:19|20)\d\d)(?!\d)"
)
_LABEL = re.compile(  # before numbers that are something else
    r"(?i)\b(?:is[bs]n|ean|order|ticket|invoice|part|article|item|serial|version|build|case|commit"
    r"|bestellung|auftrag|rechnung|artikel|commande|facture|pedido|factura|[a-z]*version|v)"
    r"[ -]?(?:no|nr|number|nummer|id|1[03])?[\W_]{0,4}\Z"
)

_IBAN = re.compile(r"\b[A-Za-z]{2}\d\d(?=[ \u00a0-]?[A-Za-z0-9])")
_RUN = re.compile(r"[A-Za-z0-9](?:[ \u00a0-]?[A-Za-z0-9]){14,33}")
# ISO 13616's registry: how long an account number is in each country.
_REGISTRY = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 "
    "DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 "
    "IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 "
    "MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 "
    "SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _REGISTRY.split()}


def scrub(text: str, names: Names = NOBODY) -> str:
    """``text``, composed (NFC), with personal data replaced: ``[email]``, ``[phone]``,
    ``[person]``, ``[account]``, ``[card]``, ``[address]``, ``[secret]``.
    """
    text = unicodedata.normalize("NFC", text)
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
        text = _MENTION.sub("[person]", text)
    text = _SECRET.sub("[secret]", text)
    text = _without_accounts(text)
    if _NUMBER.search(text):
        text = _CARD.sub(lambda m: "[card]" if _is_card(m[0]) else m[0], text)
        text = _HOST.sub(lambda m: m[0] if _called_otherwise(m) else "[address]", text)
        text = _TOLD.sub(lambda m: m[0] if _DATE.search(m[2]) else f"{m[1]}[phone]", text)
        text = _PHONE.sub(lambda m: "[phone]" if _is_phone(m) else m[0], text)
    return names.replaced(text, "[person]")


def _is_phone(match: re.Match[str]) -> bool:
    digits = sum(c.isdigit() for c in match[0])
    least = 9 if match[0][0].isdigit() else 8
    return least <= digits <= 16 and not _DATE.search(match[0]) and not _called_otherwise(match)


def _called_otherwise(match: re.Match[str]) -> bool:
    return bool(_LABEL.search(match.string[max(0, match.start() - 32) : match.start()]))


def _is_card(digits: str) -> bool:
    """An issuer's first digits, and Luhn's check digit."""
    numbers = [int(c) for c in digits if c.isdigit()]
    doubled = [n * 2 - 9 * (n > 4) for n in numbers[-2::-2]]
    return bool(_ISSUERS.match(digits)) and (sum(doubled) + sum(numbers[-1::-2])) % 10 == 0


def _without_accounts(text: str) -> str:
    kept, at = "", 0
    for match in _IBAN.finditer(text):
        end = _account_end(text, match.start()) if match.start() >= at else None
        if end is not None:
            kept, at = f"{kept}{text[at : match.start()]}[account]", end
    return kept + text[at:]


def _account_end(text: str, begin: int) -> int | None:
    """Where the account number ends that begins here, if one does; it may be written in groups."""
    run = _RUN.match(text, begin)
    length = _LENGTHS.get(text[begin : begin + 2].upper(), 0)
    places = [at for at in range(run.start(), run.end()) if text[at].isalnum()] if run else []
    if not length or len(places) < length:
        return None
    end = places[length - 1] + 1
    whole = end == len(text) or not text[end].isalnum()
    number = "".join(text[at] for at in places[:length]).upper()
    return end if whole and _is_iban(number) else None


def _is_iban(number: str) -> bool:
    """ISO 7064 modulo 97."""
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1
