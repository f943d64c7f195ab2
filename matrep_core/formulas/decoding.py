"""Bytes to text: the encoding that the file itself proves, or the one that the user names, and no other."""

from __future__ import annotations

import codecs
import re

from matrep_core.errors import DataRefused
from matrep_core.formulas.faults import fault, refused

ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp949": "CP949", "cp1252": "Windows-1252", "latin-1": "Latin-1"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, ""),  # begins like the mark of UTF-16, so it comes first
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Everything below space but tab and line ends, DEL, C1, and the mark that a decoder leaves for a lost character.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_CONTROL_SHOWN = 20  # one broken encoding makes thousands; these are enough to find it


def decode(content: bytes, shown: str, encoding: str = "auto") -> tuple[str, str]:
    """The text of a file and the encoding's name; raises DataRefused where that is not certain."""
    if content[:2] == b"PK" or content[:4] in (b"PAR1", b"\xd0\xcf\x11\xe0"):
        raise refused(
            shown, "the file is not text: it begins like a workbook, an archive or a Parquet file",
            "Give it the ending that it has, .xlsx or .parquet, or save it as CSV.",
        )  # fmt: skip
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if marked == "":
        raise refused(shown, "the file is UTF-32", "Save it as UTF-8.")
    if encoding == "auto" and marked is None and content.count(b"\0") * 3 > len(content):
        problem = "every second byte is zero: the file looks like UTF-16 without its mark"
        raise refused(shown, problem, "Save it as UTF-8.")
    if marked is not None and encoding not in ("auto", marked):
        problem = f"the file begins with the mark of {ENCODINGS[marked]}, not of {ENCODINGS[encoding]}"
        raise refused(shown, problem, "Set the encoding (--encoding) to auto.")
    chosen = marked or (encoding if encoding != "auto" else "utf-8")
    codec = {"utf-8": "utf-8-sig"}.get(chosen, chosen)
    try:
        return content.decode(codec), ENCODINGS[chosen]
    except UnicodeDecodeError as error:
        if encoding == "auto" and marked is None and _looks_korean(content):
            return content.decode("cp949"), "CP949, recognised by its Korean syllables"
        raise refused(
            shown, f"the file is not {ENCODINGS[chosen]}, and nothing in it says what it is",
            "Save it as UTF-8, or name its encoding (--encoding cp949, cp1252 or latin-1).",
            row=content.count(b"\n", 0, error.start) + 1, value=f"byte {content[error.start]:02x}",
        ) from error  # fmt: skip


def _looks_korean(content: bytes) -> bool:
    """Whether bytes above ASCII are Korean text in KS X 1001, and not Western text that happens to decode.

    CP949 gives a meaning to almost any byte pair: "°C" of a Latin-1 file would become a syllable. Real Korean
    has only pairs of bytes from A1 to FE, mostly Hangul (first byte B0 to C8), several syllables in a row.
    """
    pairs = re.findall(rb"[\xa1-\xfe][\xa1-\xfe]", content)
    if not pairs or re.sub(rb"[\xa1-\xfe][\xa1-\xfe]|[\x00-\x7f]", b"", content):
        return False
    hangul = sum(0xB0 <= pair[0] <= 0xC8 for pair in pairs)
    hanja = sum(pair[0] >= 0xCA for pair in pairs)
    words = re.search(rb"(?:[\xb0-\xc8][\xa1-\xfe]){2}", content) is not None
    if not (words and hangul * 2 >= len(pairs) and hanja * 10 <= hangul):
        return False
    try:
        content.decode("euc_kr")
    except UnicodeDecodeError:
        return False
    return True


def refuse_control_characters(text: str, shown: str) -> None:
    """Raise DataRefused for characters that no table needs and that hide in codes."""
    faults = []
    for found in _CONTROL.finditer(text):
        row = text.count("\n", 0, found.start()) + 1
        faults.append(
            fault(shown, row, "", f"U+{ord(found[0]):04X}", "the file holds a control character or a lost one",
                  "Remove the character, or save the file as UTF-8 from the program that made it.")
        )  # fmt: skip
        if len(faults) == _CONTROL_SHOWN:
            break
    if faults:
        raise DataRefused(faults)
