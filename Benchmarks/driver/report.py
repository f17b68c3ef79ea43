"""A line of the table, and the table."""

import dataclasses
import statistics


@dataclasses.dataclass
class Line:
    """One promise: `values` (a value per round, or just one) have a median that is at most, or with `least` at
    least, `limit`. Without values it was not measured and `note` says why; without a limit it only informs."""
    section: str
    name: str
    limit: float | None
    unit: str
    values: list
    figures: dict = dataclasses.field(default_factory=dict)
    least: bool = False
    note: str = ""
    broken: bool = False

    @property
    def value(self):
        return statistics.median(self.values) if self.values else None

    @property
    def status(self):
        if self.broken:
            return "BROKEN"
        if self.value is None:
            return "SKIP"
        if self.limit is None:
            return "-"
        return "PASS" if (self.value >= self.limit if self.least else self.value <= self.limit) else "MISS"

    @property
    def target(self):
        return "" if self.limit is None else f"{'≥' if self.least else '≤'} {self.limit:g} {self.unit}"

    @property
    def measured(self):
        if self.value is None:
            return "not measured"
        spread = f"  ({_short(min(self.values))} to {_short(max(self.values))})" if len(self.values) > 1 else ""
        return f"{_short(self.value)} {self.unit}{spread}"

    def as_json(self):
        return {"section": self.section, "name": self.name, "status": self.status, "limit": self.limit,
                "at_least": self.least, "unit": self.unit, "measured": self.value, "values": self.values,
                "figures": self.figures, "note": self.note}


def _short(value):
    """Three digits that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _figure(name, value):
    return f"{name} {value if isinstance(value, str) else 'unknown' if value is None else _short(value)}"


def table(lines):
    """The lines as text: promise, target, median (lowest to highest round), verdict, and below it the bare figures."""
    rows = [(line.name, line.target, line.measured, line.status) for line in lines]
    head = ("line", "target", "measured (rounds)", "")
    wide = [max(len(row[i]) for row in [head, *rows]) for i in range(4)]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(head, wide)).rstrip(), "─" * (sum(wide) + 6)]
    for line, row in zip(lines, rows):
        text.append("  ".join(cell.ljust(w) for cell, w in zip(row, wide)).rstrip())
        below = ", ".join(_figure(k, v) for k, v in line.figures.items())
        text += [f"    {part}" for part in (below, *line.note.splitlines()) if part]
    return "\n".join(text)
