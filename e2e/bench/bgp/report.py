"""Figures as tables of Markdown: ours, the floor, each peer, and ours in relation to the fastest peer and to the floor."""

OURS, FLOOR = "speaker", "floor"


def number(value):
    """Three digits that count."""
    if value is None:
        return "-"
    for most, digits in ((1, 3), (10, 2), (100, 1)):
        if abs(value) < most:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


def ratio(ours, other):
    return "-" if ours is None or not other else f"{ours / other:.2f}"


def table(title, names, rows, ratios=True):
    """`rows`: {label: {sender's name: value or None}}"""
    peers = [name for name in names if name not in (OURS, FLOOR, "saved-plan")]
    head = [title, *names] + (["to fastest peer", "to floor"] if ratios else [])
    lines = [head, ["---"] * len(head)]
    for label, values in rows.items():
        if all(value is None for value in values.values()):
            continue
        ours = values.get(OURS)
        fastest = min((values[name] for name in peers if values.get(name) is not None), default=None)
        lines.append([str(label), *(number(values.get(name)) for name in names)] +
                     ([ratio(ours, fastest), ratio(ours, values.get(FLOOR))] if ratios else []))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
