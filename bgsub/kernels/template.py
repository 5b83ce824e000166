"""Kernel text with repeated lines, so that one source serves every number of modes and channels.

The compiler puts neighbouring pixels into one vector only when the work on a pixel is straight-line
code: a loop over the modes inside the loop over the pixels halves the speed. So the modes are
written out, by these rules:

    %k line             the line once for each mode, with `#k` replaced by 0, 1, ...
    %c line             the same for each channel, with `#c`
    %kc line            for each mode and channel
    %kj line            for each pair of different modes, with `#k` and `#j`
    %if rule / %else / %end    lines kept when `rule`, an expression over the options, holds
    sum{k: w#k}         ((w0) + (w1) + ...), likewise any{...} with |, all{...} with &
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_JOIN = {"sum": " + ", "any": " | ", "all": " & "}
_REDUCE = re.compile(r"\b(sum|any|all)\{([kc]): ((?:[^{}]|\{[^{}]*\})*)\}")


def expand(template: str, options: Mapping[str, object], modes: int, channels: int) -> str:
    """Python source for `modes` and `channels`, with the parts that `options` switch on."""
    counts = {"k": range(modes), "c": range(channels)}

    def reduce(match: re.Match[str]) -> str:
        how, index, term = match.groups()
        terms = (reductions(term.replace(f"#{index}", str(n))) for n in counts[index])
        return "(" + _JOIN[how].join(f"({term})" for term in terms) + ")"

    def reductions(line: str) -> str:
        return _REDUCE.sub(reduce, line)

    def repeat(indices: str, line: str) -> Iterator[str]:
        if indices == "kj":
            for k in counts["k"]:
                for j in counts["k"]:
                    if k != j:
                        yield line.replace("#k", str(k)).replace("#j", str(j))
        elif indices:
            for n in counts[indices[0]]:
                yield from repeat(indices[1:], line.replace(f"#{indices[0]}", str(n)))
        else:
            yield line

    lines: list[str] = []
    kept = [True]
    for line in template.strip("\n").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "%if":
            kept.append(kept[-1] and bool(eval(rest, {}, dict(options))))
        elif word == "%else":
            kept[-1] = kept[-2] and not kept[-1]
        elif word == "%end":
            kept.pop()
        elif kept[-1] and word.startswith("%"):
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + reductions(text) for text in repeat(word[1:], rest.lstrip())]
        elif kept[-1]:
            lines.append(reductions(line))
    return "\n".join(lines) + "\n"
