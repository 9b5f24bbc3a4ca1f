"""The micro-world's languages, one module each: word lists by concept and a small grammar."""

from __future__ import annotations

from xtl.microworld.grammar import Language
from xtl.microworld.languages import de, en, es, fr, ru, sw

LANGUAGES: dict[str, Language] = {module.LANGUAGE.code: module.LANGUAGE for module in (en, de, fr, es, ru, sw)}
