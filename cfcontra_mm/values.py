"""Values of ``KEY=VALUE`` as they are typed: paths stay as they are."""

from __future__ import annotations

from typing import Any

CLOSING = {'(': ')', '[': ']'}
WORDS = {'None': None, 'true': True, 'True': True, 'false': False, 'False': False}


class Text(str):
    """The value of a ``KEY=VALUE`` as it was typed, not yet parsed."""


def parse_value(text: str, present: Any = None) -> Any:
    """Parse a value, given the one that it replaces.

    A string, also an empty one, is replaced by the text itself. Otherwise numbers,
    ``True``, ``False``, lists and tuples are recognised; commas outside of brackets
    make a list, unless they stand in a path. ``None`` is always ``None``.

    Args:
        text: The value as it was typed.
        present: The value that it replaces; ``None`` if there is none.
    """
    text = text.strip()
    if isinstance(present, str) and text != 'None':
        return _unquoted(text)
    elements = _split(text)
    is_path = '/' in text and not isinstance(present, list | tuple)
    if is_path or len(elements) == 1:
        return parse_word(text)
    return [parse_word(element) for element in elements]


def parse_word(text: str) -> Any:
    """Parse a number, ``True``, ``None``, a list or tuple in brackets, or a string."""
    text = text.strip()
    if text in WORDS:
        return WORDS[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    if CLOSING.get(text[:1]) == text[-1:] and len(elements := _split(text)) == 1:
        inner = text[1:-1].strip().removesuffix(',')
        elements = _split(inner) if inner else []
        values = [parse_word(element) for element in elements]
        return tuple(values) if text[0] == '(' else values
    return _unquoted(text)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in '\'"'
    return text[1:-1] if quoted else text


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets; not at all if these do not match."""
    elements, expected = [''], ''
    for character in text:
        if character in CLOSING:
            expected += CLOSING[character]
        elif character in CLOSING.values():
            if not expected.endswith(character):
                return [text]
            expected = expected[:-1]
        elif character == ',' and not expected:
            elements.append('')
            continue
        elements[-1] += character
    return [text] if expected else elements
