"""Kernel text with repeated lines, so that one source serves every number of modes and channels.

The compiler keeps the modes of a pixel in registers only when they are variables, not elements of
an array. So the modes are written out, by these rules:

    %k line             the line once for each mode, with `#k` replaced by 0, 1, ...
    %c line             the same for each channel, with `#c`
    %kc line            for each mode and channel
    %each k ... %end    a block of lines for each mode; rules inside may ask for `k`; beside `#k`
                        another mode is `#j`, as in sum{j: w#j}
    %if rule ... %else ... %end
                        lines kept when `rule`, an expression over the options, holds
    sum{k: w#k}         ((w0) + (w1) + ...), likewise any{...} with |, all{...} with &
    tuple{k: w#k}       (w0, w1, ...)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_JOIN = {"sum": " + ", "any": " | ", "all": " & ", "tuple": ", "}
_REDUCE = re.compile(r"\b(sum|any|all|tuple)\{([kjc]): ((?:[^{}]|\{[^{}]*\})*)\}")


def expand(template: str, options: Mapping[str, object], modes: int, channels: int) -> str:
    """Python source for `modes` and `channels`, with the parts that `options` switch on."""
    names = {**options, "modes": modes, "channels": channels}
    counts = {"k": range(modes), "j": range(modes), "c": range(channels)}
    return "\n".join(_lines(template.strip("\n").splitlines(), names, counts)) + "\n"


def _lines(
    template: Sequence[str], names: Mapping[str, object], counts: Mapping[str, range]
) -> Iterator[str]:
    lines = iter(template)
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "%if":
            kept, other = _block(lines)
            holds = eval(rest, {}, dict(names))
            yield from _lines(kept if holds else other, names, counts)
        elif word == "%each":
            body, _ = _block(lines)
            for n in counts[rest]:
                numbered = [text.replace(f"#{rest}", str(n)) for text in body]
                yield from _lines(numbered, {**names, rest: n}, counts)
        elif word.startswith("%"):
            indent = line[: len(line) - len(line.lstrip())]
            for text in _repeated(word[1:], rest.lstrip(), counts):
                yield indent + _reduced(text, counts)
        else:
            yield _reduced(line, counts)


def _block(lines: Iterator[str]) -> tuple[list[str], list[str]]:
    """The lines up to the matching %end, and those of them behind %else."""
    parts: tuple[list[str], list[str]] = ([], [])
    depth, part = 0, 0
    for line in lines:
        word = line.strip().partition(" ")[0]
        if depth == 0 and word == "%end":
            return parts
        if depth == 0 and word == "%else":
            part = 1
            continue
        depth += (word in ("%if", "%each")) - (word == "%end")
        parts[part].append(line)
    raise AssertionError("a block of the template has no %end")


def _repeated(indices: str, line: str, counts: Mapping[str, range]) -> Iterator[str]:
    if not indices:
        yield line
        return
    for n in counts[indices[0]]:
        yield from _repeated(indices[1:], line.replace(f"#{indices[0]}", str(n)), counts)


def _reduced(line: str, counts: Mapping[str, range]) -> str:
    def reduce(match: re.Match[str]) -> str:
        how, index, term = match.groups()
        terms = (_reduced(term.replace(f"#{index}", str(n)), counts) for n in counts[index])
        last = "," if how == "tuple" else ""  # or one in parentheses were no tuple
        return "(" + _JOIN[how].join(f"({term})" for term in terms) + last + ")"

    return _REDUCE.sub(reduce, line)
