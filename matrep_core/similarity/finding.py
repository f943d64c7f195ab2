"""Finding a material by what a chemist remembers of it: code, INCI name, synonym, CAS number, function; typing errors too.

An index of three-letter pieces (trigrams) finds candidates, an edit distance ranks them; Korean text is taken apart
into its letters (jamo), so that half-typed syllables and single wrong letters still match.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np

from matrep_core.formulas.schema import FormulaSet
from matrep_core.views.facts import info_texts

FIELDS = ("inci", "inci_name", "name", "korean", "synonym", "synonyms", "cas", "cas_number", "function", "functions")
CANDIDATES = 200
ALIKE = 0.6  # of the letters in order; below that two words are different words
_SPLIT = re.compile(r"[\s;,/|()\[\]{}]+")
_LINES = re.compile(r"[\r\n\t;]+")


@dataclass(frozen=True)
class Found:
    """One material that a search found: which, how well (1 = exactly), and the field and text that matched."""

    index: int
    score: float
    field: str
    text: str


def folded(text: str) -> str:
    """``text`` as it is compared: compatibility letters, no case, no accents, Korean taken apart into jamo."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c)).strip()


class Finder:
    """The texts of all materials, indexed once. ``search`` then takes some milliseconds."""

    def __init__(self, data: FormulaSet):
        self.codes = data.materials
        self._entries: list[tuple[int, str, str, str]] = []  # material, field, text, folded text
        columns = {"code": np.array(data.materials, dtype=object)}
        columns |= {name: info_texts(data, name) for name in FIELDS if name in data.material_info.columns}
        for name, texts in columns.items():
            for index, text in enumerate(texts):
                if text:
                    self._entries.append((index, name, str(text), folded(str(text))))
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._pieces: dict[str, list[int]] = defaultdict(list)
        for number, (_, _, _, text) in enumerate(self._entries):
            self._exact[text].append(number)
            for piece in _pieces(text):
                self._pieces[piece].append(number)

    def search(self, text: str, k: int = 20) -> list[Found]:
        """The ``k`` materials that fit ``text`` best, best first, each once; [] for an empty text.

        Exact texts come first, then beginnings, then texts that contain it, then those with typing errors.
        """
        wanted = folded(text[:200])
        if not wanted:
            return []
        numbers = set(self._exact.get(wanted, ()))
        shared = Counter(number for piece in _pieces(wanted) for number in self._pieces.get(piece, ()))
        needed = max(1, len(_pieces(wanted)) // 5)
        near = [(number, count / (len(self._entries[number][3]) + 10)) for number, count in shared.items() if count >= needed]
        numbers |= {number for number, _ in sorted(near, key=lambda pair: (-shared[pair[0]], -pair[1]))[:CANDIDATES]}
        best: dict[int, Found] = {}
        for number in numbers:
            index, name, shown, known = self._entries[number]
            score = _score(wanted, known)
            if score and (index not in best or score > best[index].score):
                best[index] = Found(index, score, name, shown)
        return sorted(best.values(), key=lambda each: (-each.score, self.codes[each.index]))[:k]

    def paste(self, text: str) -> tuple[list[int], list[str]]:
        """The materials of a list pasted from a sheet (a line, a tab or a semicolon apart), and the entries not known.

        Each entry must be a code, or another text of exactly one material; nothing is guessed.
        """
        found: list[int] = []
        unknown: list[str] = []
        code_of = {code: index for index, code in enumerate(self.codes)}
        for entry in filter(None, (each.strip() for each in _LINES.split(text))):
            owners = {self._entries[number][0] for number in self._exact.get(folded(entry), ())}
            if entry in code_of:
                owners = {code_of[entry]}
            if len(owners) == 1:
                found += [index for index in owners if index not in found]
            else:
                unknown.append(entry)
        return found, unknown


def _pieces(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def _score(wanted: str, known: str) -> float:
    """How well a text fits, 0 to 1; 0 where it does not."""
    if wanted == known:
        return 1.0
    if known.startswith(wanted):
        return 0.95
    if wanted in known:
        return 0.9
    words = [known, *_SPLIT.split(known)]
    alike = max(_alike(wanted, word) for word in words)
    return 0.85 * alike if alike >= ALIKE else 0.0


def _alike(a: str, b: str) -> float:
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return 0.0
    return matcher.ratio()


