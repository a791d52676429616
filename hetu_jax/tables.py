"""What tables and plots have in common: text where they are printed, HTML and pictures in a notebook."""

from __future__ import annotations

import functools
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = "text-align:{};white-space:nowrap;padding:2px 8px;border-bottom:1px solid #8884"


class Tabular:
    """A table with a title above and lines below; a subclass says what is in it.

    headings: of the columns.  numbers: those of them that stand to the right.  wrapped: those whose texts may take
    several lines in a terminal.  width: of the text, in characters.
    """

    headings: Sequence[str] = ()
    numbers: Sequence[str] = ()
    wrapped: Sequence[str] = ()
    width = 100

    @property
    def title(self) -> str | None:
        """The line above the table."""
        return None

    @property
    def body(self) -> Sequence[Sequence[str]]:
        """The texts of the rows."""
        return ()

    @property
    def totals(self) -> Sequence[str]:
        """The lines below the table."""
        return ()

    def _columns(self) -> list[tuple[str, ...]]:
        """The columns that are not empty, each with its heading first."""
        return [column for column in zip(self.headings, *self.body, strict=True) if any(column[1:])]

    def _side(self, heading: str) -> Any:
        return "right" if heading in self.numbers else "left"

    def __rich__(self) -> Any:
        from rich.box import SIMPLE_HEAD
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, title=self.title, title_justify="left")
        columns = self._columns()
        for heading, *_ in columns:
            table.add_column(heading, justify=self._side(heading), no_wrap=heading not in self.wrapped)
        for cells in zip(*(column[1:] for column in columns), strict=True):
            table.add_row(*map(Text, cells))
        return Group(table, *(Text(f"  {line}") for line in self.totals))

    def __str__(self) -> str:
        from rich.console import Console

        out = io.StringIO()
        Console(file=out, width=self.width, color_system=None, force_jupyter=False).print(self)
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        columns = self._columns()
        rows = enumerate(zip(*columns, strict=True))
        lines = "".join(
            f"<tr>{''.join(map(self._cell, columns, cells, [not n] * len(cells)))}</tr>" for n, cells in rows
        )
        return (
            f'<div style="overflow-x:auto"><table style="border-collapse:collapse;font-size:90%">{lines}</table></div>'
            f'<p style="font-size:90%">{"<br>".join(map(html.escape, self.totals))}</p>'
        )

    def _cell(self, column: Sequence[str], text: str, head: bool) -> str:
        tag = "th" if head else "td"
        return f'<{tag} style="{_CELL.format(self._side(column[0]))}">{html.escape(text)}</{tag}>'


def new_figure(width: float, height: float) -> Figure:
    """An empty matplotlib Figure, in inches, which a notebook shows also where nobody has loaded pyplot.

    Raises ImportError where there is no matplotlib.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=80)
    return out.getvalue()
