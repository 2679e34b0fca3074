"""The part of YAML that manifests use: block mappings and lists, one-line flow collections, quoted and plain
scalars, literal blocks, comments, several documents. Anchors, tags and folded text are not read."""

import json
import re

_KEY = re.compile(r"""^(?P<key>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'\[{][^#]*?)\s*:(?:\s+(?P<value>.*))?$""")
_PLAIN = re.compile(r"^[A-Za-z0-9_./][A-Za-z0-9_./\-+]*$")


def load_all(text):
    """All documents of `text`; empty ones are left out."""
    documents = re.split(r"(?m)^---(?:[ \t].*)?$", text)
    return [value for value in map(_load, documents) if value is not None]


def dump_all(documents):
    return "---\n".join("\n".join(_emit(document)) + "\n" for document in documents)


def _load(text):
    lines = []
    for raw in text.splitlines():
        content = _strip_comment(raw).rstrip()
        if content.strip() and content != "...":
            lines.append((len(content) - len(content.lstrip()), content.lstrip()))
    if not lines:
        return None
    value, rest = _block(lines, 0, lines[0][0])
    if rest != len(lines):
        raise ValueError(f"unexpected line: {lines[rest][1]!r}")
    return value


def _strip_comment(line):
    quote = None
    for i, c in enumerate(line):
        if quote:
            quote = None if c == quote and line[i - 1] != "\\" else quote
        elif c in "\"'" and (i == 0 or line[i - 1] in " [{,:-"):
            quote = c
        elif c == "#" and (i == 0 or line[i - 1].isspace()):
            return line[:i]
    return line


def _is_item(content):
    return content == "-" or content.startswith("- ")


def _block(lines, i, indent):
    if _is_item(lines[i][1]):
        return _sequence(lines, i, indent)
    if _KEY.match(lines[i][1]) and lines[i][1][0] not in "[{":
        return _mapping(lines, i, indent)
    return _scalar_or_flow(lines[i][1]), i + 1


def _sequence(lines, i, indent):
    items = []
    while i < len(lines) and lines[i][0] == indent and _is_item(lines[i][1]):
        rest = lines[i][1][1:].lstrip()
        if rest:
            # What follows the dash is a block of its own, as deep as it stands.
            deeper = indent + len(lines[i][1]) - len(rest)
            lines[i] = (deeper, rest)
            value, i = _block(lines, i, deeper)
        elif i + 1 < len(lines) and lines[i + 1][0] > indent:
            value, i = _block(lines, i + 1, lines[i + 1][0])
        else:
            value, i = None, i + 1
        items.append(value)
    return items, i


def _mapping(lines, i, indent):
    found = {}
    while i < len(lines) and lines[i][0] == indent and not _is_item(lines[i][1]):
        match = _KEY.match(lines[i][1])
        if match is None:
            raise ValueError(f"expected 'key: value', got {lines[i][1]!r}")
        key, value = str(_scalar(match["key"])), match["value"]
        i += 1
        if value in ("|", "|-"):
            first = i
            while i < len(lines) and lines[i][0] > indent:
                i += 1
            found[key] = "\n".join(line for _, line in lines[first:i]) + ("\n" if value == "|" else "")
        elif value:
            found[key] = _scalar_or_flow(value)
        elif i < len(lines) and (lines[i][0] > indent or lines[i][0] == indent and _is_item(lines[i][1])):
            found[key], i = _block(lines, i, lines[i][0])
        else:
            found[key] = None
    return found, i


def _scalar_or_flow(text):
    if text[0] not in "[{":
        return _scalar(text)
    tokens = re.findall(r""""(?:[^"\\]|\\.)*"|'[^']*'|[\[\]{},]|:(?=\s)|[^\s\[\]{},"'][^\[\]{},]*?(?=\s*(?:[\[\]{},]|:\s|$))""", text)
    value, rest = _flow(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"cannot read {text!r}")
    return value


def _flow(tokens, i):
    opening = tokens[i]
    if opening not in ("[", "{"):
        return _scalar(opening), i + 1
    closing = {"[": "]", "{": "}"}[opening]
    found = [] if opening == "[" else {}
    i += 1
    while tokens[i] != closing:
        if opening == "[":
            value, i = _flow(tokens, i)
            found.append(value)
        else:
            key = str(_scalar(tokens[i]))
            found[key], i = _flow(tokens, i + 2)
        if tokens[i] == ",":
            i += 1
    return found, i + 1


def _scalar(text):
    if text.startswith('"'):
        return json.loads(text)
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if text in ("true", "True"):
        return True
    if text in ("false", "False"):
        return False
    if text in ("null", "~"):
        return None
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d+\.\d+", text):
        return float(text)
    return text


def _emit(value, indent=0):
    pad = " " * indent
    if isinstance(value, dict) and value:
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                yield f"{pad}{_word(key)}:"
                yield from _emit(item, indent + 2)
            else:
                yield f"{pad}{_word(key)}: {_word(item)}"
    elif isinstance(value, list) and value:
        for item in value:
            first, *rest = _emit(item, indent + 2)
            yield f"{pad}- {first.lstrip()}"
            yield from rest
    else:
        yield pad + _word(value)


def _word(value):
    if isinstance(value, str) and _PLAIN.match(value) and _scalar(value) == value:
        return value
    return json.dumps(value)
