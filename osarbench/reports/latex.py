"""Tables in LaTeX: whatever a name holds, it is shown as it is written, and a row stays one row."""

from collections.abc import Sequence

from osarbench.reports.formats import visible

_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}", "'": r"\textquotesingle{}", '"': r"\textquotedbl{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", "−": r"$-$", "–": "--",
    # after the end of a row, these would be its options; two hyphens would be a dash
    "[": "{[}", "]": "{]}", "*": "{*}", "-": "{-}",
}  # fmt: skip
#: Signs that `visible` puts in the place of control characters; no usual font of LaTeX has them.
_SIGNS = {*map(chr, range(0x2400, 0x2427)), "\N{REPLACEMENT CHARACTER}"}


def escape(text: str) -> str:
    r"""Return text that LaTeX shows as it is written, on one line; "?" stands for a control character.

    >>> print(escape("50 % of a_b & \\input{x}"))
    50 \% of a\_b \& \textbackslash{}input\{x\}
    """
    return "".join("?" if character in _SIGNS else _ESCAPED.get(character, character) for character in visible(text))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """Return a tabular with the rules of the package booktabs.

    Args:
        headers: of the columns.
        rows: of cells.
        numeric: for each column, whether it is aligned to the right.
    """
    lines = [" & ".join(map(escape, cells)) + r" \\" for cells in rows]
    return "\n".join([
        r"% needs \usepackage{booktabs} and \usepackage[T1]{fontenc}, \usepackage{textcomp}",
        rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in numeric)}}}",
        r"\toprule",
        " & ".join(map(escape, headers)) + r" \\",
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
    ])  # fmt: skip
