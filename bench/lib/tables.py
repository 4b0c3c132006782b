"""Tables of a run, in Markdown: every peer and step, and the bars."""

import statistics

TITLES = {
    "full": "first full (a1)", "told": "day 2, told what changed", "not-told": "day 2, not told", "clone": "clone (b1)",
    "install": "independent install (c1)", "restore": "restore day 2", "verify": "verify everything",
}
BEST = ("borg-fixed", "borg", "restic", "rustic", "bupstash")
MB = 1e6
NO_VERIFY = "holdfast-no-verify"


class Figures:
    """Medians of a run's rows."""

    def __init__(self, results):
        self.rows = [row for row in results["rows"] if row["step"] in TITLES]

    def all(self, peer, step, what):
        return [row[what] for row in self.rows if row["peer"] == peer and row["step"] == step and what in row]

    def median(self, peer, step, what):
        values = self.all(peer, step, what)
        return statistics.median(values) if values else None

    def images(self, peer):
        inside = [row["images"] for row in self.rows if row["peer"] == peer and row["step"] == "verify"]
        return len(inside[0]) if inside and inside[0] else 1

    def best_stored(self, step):
        sizes = [size for peer in BEST if (size := self.median(peer, step, "added")) is not None]
        return min(sizes) if sizes else None


def spread(values, form):
    if len(values) == 1:
        return form.format(values[0])
    return f"{form.format(statistics.median(values))} ({form.format(min(values))}–{form.format(max(values))})"


def ratio(value, base):
    return f"{value / base:.2f}×" if value is not None and base else "–"


def table(results, figures):
    lines = ["| step | program | CPU s | against borg-fixed | against the floor | wall s | CPU / wall | peak MiB | MB added |", "|---|---|---|---|---|---|---|---|---|"]
    names = list(dict.fromkeys(row["peer"] for row in figures.rows))
    order = [name for name in ("holdfast", NO_VERIFY, "floor", "borg-fixed", "borg", "restic", "rustic", "bupstash", "casync", "qemu-img") if name in names]
    for step, title in TITLES.items():
        # Nobody but Holdfast can be told: the base is what the peer pays for the same day.
        base = figures.median("borg-fixed", "not-told" if step == "told" else step, "cpu")
        floor = figures.median("floor", step, "cpu")
        for name in order:
            cpu, wall = figures.all(name, step, "cpu"), figures.all(name, step, "wall")
            if not cpu:
                continue
            middle = statistics.median(cpu)
            added = "–" if step in ("restore", "verify") else f"{figures.median(name, step, 'added') / MB:,.0f}"
            # The floor verifies one image, the others all that they hold.
            against = ratio(middle, floor and floor * (figures.images(name) if step == "verify" and name != "floor" else 1))
            busy = statistics.median([c / w for c, w in zip(cpu, wall)])
            peak = max(figures.all(name, step, "peak")) / 2**20
            lines.append(
                f"| {title} | {name} | {spread(cpu, '{:.1f}')} | {ratio(middle, base if name != 'floor' or step != 'verify' else None)} | {against} "
                f"| {spread(wall, '{:.1f}')} | {busy:.1f} | {peak:.0f} | {added} |")
    return lines


def bar(lines, what, value, limit, form):
    seen = "not measured" if value is None else form.format(value)
    goal = "–" if limit is None else form.format(limit)
    verdict = "not measured" if value is None or limit is None else "met" if value <= limit else "**not met**"
    lines.append(f"| {what} | {seen} | ≤ {goal} | {verdict} |")


def bars(results, figures):
    """The bars that the project has set itself; sizes hold for the whole workload, scaled with it."""
    scale = results["workload"]["scale"]
    lines = ["| bar | seen | at most | |", "|---|---|---|---|"]

    def against(name, step, base_step=None):
        cpu, base = figures.median(name, step, "cpu"), figures.median("borg-fixed", base_step or step, "cpu")
        return cpu / base if cpu is not None and base else None

    def added(step):
        size = figures.median("holdfast", step, "added")
        return None if size is None else size / MB

    def best(step, factor=1.0):
        size = figures.best_stored(step)
        return None if size is None else size / MB * factor

    bar(lines, "first full, CPU against borg-fixed", against("holdfast", "full"), 0.88, "{:.2f}×")
    bar(lines, "the same, verify-before-upload off", against(NO_VERIFY, "full"), 0.73, "{:.2f}×")
    bar(lines, "first full, MB stored: 1.05 × the best encrypting peer", added("full"), best("full", 1.05), "{:,.0f}")
    bar(lines, "day 2 told, CPU against borg-fixed (not told)", against("holdfast", "told", "not-told"), 0.20, "{:.2f}×")
    day2 = 68 * results["workload"]["dirty"] / 121e6
    bar(lines, "day 2 told, MB stored (68 for 121 dirty)", added("told"), day2, "{:,.1f}")
    bar(lines, "day 2 not told, CPU against borg-fixed", against("holdfast", "not-told"), 0.55, "{:.2f}×")
    bar(lines, "day 2 not told, MB stored", added("not-told"), day2, "{:,.1f}")
    bar(lines, "clone, CPU against borg-fixed", against("holdfast", "clone"), 0.70, "{:.2f}×")
    bar(lines, "clone, MB stored: the best encrypting peer", added("clone"), best("clone"), "{:,.0f}")
    bar(lines, "independent install, CPU against borg-fixed", against("holdfast", "install"), 0.9, "{:.2f}×")
    # 930 where rustic stores 1,005: the same share of what the peer here needs.
    rustic = figures.median("rustic", "install", "added")
    bar(lines, "independent install, MB stored: 0.925 × rustic", added("install"), rustic and rustic / MB * 930 / 1005, "{:,.0f}")
    fixed = figures.median("borg-fixed", "install", "added")
    bar(lines, "independent install, MB stored: 0.727 × borg-fixed", added("install"), fixed and fixed / MB * 930 / 1280, "{:,.0f}")
    bar(lines, "restore, CPU against borg-fixed", against("holdfast", "restore"), 0.5, "{:.2f}×")
    bar(lines, "restore, allocated against the source", figures.median("holdfast", "restore", "allocated"), 1.02, "{:.3f}×")
    verify = figures.median("holdfast", "verify", "cpu")
    bar(lines, "verify, CPU s for each image", verify and verify / figures.images("holdfast"), 3 * scale, "{:.2f}")
    peaks = [peak for step in TITLES for peak in figures.all("holdfast", step, "peak")]
    bar(lines, "peak memory of any step, MiB", max(peaks) / 2**20 if peaks else None, 128, "{:.0f}")
    for step in TITLES:
        pairs = zip(figures.all("holdfast", step, "cpu"), figures.all("holdfast", step, "wall"))
        busy = [cpu / wall for cpu, wall in pairs]
        if busy:
            middle = statistics.median(busy)
            lines.append(f"| CPU / wall of {TITLES[step]} | {middle:.2f} | ≥ 1.7 (quiet machine) | {'met' if middle >= 1.7 else '**not met**'} |")
    return lines


def loads(values):
    return " ".join(f"{value:.1f}" for value in values)


def markdown(results):
    figures, machine, work = Figures(results), results["machine"], results["workload"]
    lines = [
        f"{machine['date']}: {machine['cores']} cores ({machine['cpu']}), {machine['memory_gib']} GiB RAM; load before {loads(machine['load_before'])}, "
        f"after {loads(machine.get('load_after', ()))}; {results['rounds']} rounds; medians, min–max in brackets, the highest peak.",
        f"Workload at scale {work['scale']}: a1 {work['a1']['data'] / MB:,.0f} MB, a2 {work['a2']['data'] / MB:,.0f}, b1 {work['b1']['data'] / MB:,.0f}, "
        f"c1 {work['c1']['data'] / MB:,.0f} (shares {work['shared_blocks'] * 4096 / MB:,.0f} with a1); day 2: {work['dirty'] / MB:.1f} MB in {work['extents']} extents.",
        "", *table(results, figures), "",
    ]
    for name, version in results["versions"].items():
        note = results["notes"].get(name)
        lines.append(f"- {name}: {version}{f' ({note})' if note else ''}")
    verified = {row["peer"]: row["images"] for row in figures.rows if row["step"] == "verify" and row["images"]}
    for peer, images in verified.items():
        lines.append(f"- verify of {peer} covers {', '.join(images)}")
    lines += [f"- not measured, because it is not installed, or this build does not have it: {name}" for name in results["missing"]]
    lines += [f"- {row['peer']}, round {row['round'] + 1}: {row['error']}" for row in results["rows"] if row["step"] == "error"]
    return "\n".join([*lines, "", *bars(results, figures), ""])
