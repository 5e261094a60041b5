"""docs/performance.md and its plots, written from what was measured."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.artifacts import ROOT
from benchmarks.measures import billing, calls, losses
from benchmarks.plots import Bar, bar_chart
from benchmarks.ratios import Ratio, quartiles, ratio_of_medians

DOCS = ROOT / "docs"
MEGABYTE = 1_000_000
COLD_TARGETS = (
    ("openai SDK, as built", 0.25),
    ("openai SDK", 0.45),
    ("floor", 1.15),
)
MEMORY_TARGET = 1.2
TARGET_MEGABYTES = 3
ZIPPED_TARGET_MB = 6.0
MORE_S3_REQUESTS = 2


def write(results: dict[str, Any], docs: Path = DOCS) -> None:
    """Write the page and its plots."""
    sections = [_cold(results, docs), _warm(results, docs), _memory(results, docs), _size(results, docs)]
    sections += [_losses(results, docs), _calls(results, docs), _billing(results, docs)]
    machine = results["machine"]
    told = (
        f"`make benchmark` on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}; {machine['rounds']} interleaved rounds. Versions: {_versions()}."
    )
    page = "\n\n".join([_prose("introduction"), told, _verdicts(results), *sections, _prose("changes")])
    (docs / "performance.md").write_text(page + "\n", "utf-8")


def _verdicts(results: dict[str, Any]) -> str:
    rows = []
    for other, target in COLD_TARGETS:
        ratio = _cold_ratio(results, other)
        rows.append(
            (f"cold start against {_packaged(other)}", f"at most {target}", _shown(ratio), ratio.value <= target)
        )
    more = _s3_requests(results, "ours") - _s3_requests(results, "floor")
    rows.append(
        ("S3 round trips more than the floor", f"at most {MORE_S3_REQUESTS}", str(more), more <= MORE_S3_REQUESTS)
    )
    for by_url in (False, True):
        ratio = ratio_of_medians(*(_peaks(results, name, by_url, TARGET_MEGABYTES) for name in ("ours", "floor")))
        what = f"peak memory against the floor, {TARGET_MEGABYTES} MB {'by URL' if by_url else 'in base64'}"
        rows.append((what, f"at most {MEMORY_TARGET}", _shown(ratio), ratio.value <= MEMORY_TARGET))
    zipped = sum(results["size"]["ours"].values()) / MEGABYTE
    rows.append(
        ("artifact, zipped", f"at most {ZIPPED_TARGET_MB:.0f} MB", f"{zipped:.1f} MB", zipped <= ZIPPED_TARGET_MB)
    )
    counts = results["losses"]["ours"]
    lost, twice = counts["lost"], counts["bought_twice"]
    rows.append(("pictures lost, bought twice", "0 and 0", f"{lost} and {twice}", lost == twice == 0))
    told = [(what, target, value, "reached" if reached else "**missed**") for what, target, value, reached in rows]
    return "## Figures\n\n" + table(("figure", "target", "measured", ""), told)


def _cold(results: dict[str, Any], docs: Path) -> str:
    rows, bars = [], []
    for name, runs in results["cold_start"].items():
        low, middle, high = quartiles(runs["seconds"])
        ratio = "" if name == "ours" else _shown(_cold_ratio(results, name))
        cpu = "" if name == "ours" else f"{_cold_ratio(results, name, 'cpu_seconds').value:.2f}"
        milliseconds = f"{middle * 1000:.0f} ({low * 1000:.0f}-{high * 1000:.0f})"
        rows.append((name, milliseconds, f"{median(runs['init_seconds']) * 1000:.0f}",
                     f"{median(runs['cpu_seconds']) * 1000:.0f}", len(runs["seconds"]), ratio, cpu))  # fmt: skip
        bars.append(Bar(name, middle, f"{middle * 1000:.0f} ms", name == "ours", low, high))
    _plot(docs, "cold-start", bar_chart("Cold start: start and first answer, milliseconds", bars))
    header = (
        "",
        "milliseconds, median (quartiles)",
        "of it the start",
        "CPU time",
        "runs",
        "ours against it",
        "in CPU time",
    )
    return _section("Cold start", "cold-start", table(header, rows))


def _cold_ratio(results: dict[str, Any], other: str, unit: str = "seconds") -> Ratio:
    runs = results["cold_start"]
    return ratio_of_medians(runs["ours"][unit], runs[other][unit])


def _warm(results: dict[str, Any], docs: Path) -> str:
    warm = dict(results["warm"])
    steps = warm.pop("steps_ms")
    rows = []
    for name, runs in warm.items():
        low, middle, high = quartiles(runs["seconds"])
        requests = ", ".join(f"{count} {what}" for what, count in sorted(runs["s3_requests"].items()))
        more = "" if name == "floor" else f"{(middle - median(warm['floor']['seconds'])) * 1000:+.1f}"
        rows.append((name, f"{middle * 1000:.1f} ({low * 1000:.1f}-{high * 1000:.1f})", more,
                     f"{runs['cpu_seconds_each'] * 1000:.0f}", requests))  # fmt: skip
    of_steps = {step: median(milliseconds) for step, milliseconds in steps.items()}
    everything = of_steps.pop("everything")
    step_rows = [(step, f"{value:.1f}", f"{value / everything:.0%}", WHY[step]) for step, value in of_steps.items()]
    bars = [Bar(step, value, f"{value:.1f} ms", WHY[step].startswith("**")) for step, value in of_steps.items()]
    _plot(docs, "warm", bar_chart("One warm answer of ours, step by step, milliseconds", bars))
    header = ("", "milliseconds, median (quartiles)", "more than the floor", "CPU ms", "requests to S3")
    body = (
        table(header, rows) + "\n\nWhere ours spends it, in a process of its own; in bold what the floor does not do:"
    )
    return _section("Warm answer", "warm", body + "\n\n" + table(("step", "ms", "share", ""), step_rows))


WHY = {
    "credentials": "remembered for five minutes",
    "claim the record": "**one PUT with `If-None-Match`**",
    "ask the provider": "one POST on a connection of its own",
    "decode its answer": "JSON and base64",
    "store the picture": "one PUT",
    "finish the record": "**one PUT with `If-Match`**",
    "log and metrics": "**two lines and one of metrics**",
    "sign the link": "no request",
    "checks, answer, and between": "**the event's checks, the hash, the answer, a thread for each call**",
}


def _memory(results: dict[str, Any], docs: Path) -> str:
    rows, bars = [], []
    for row in results["memory"]:
        how = "by URL" if row["by_url"] else "in base64"
        megabytes, peak, name = row["megabytes"], median(row["peaks"]) / MEGABYTE, row["artifact"]
        floor = _peaks(results, "floor", row["by_url"], megabytes)
        ratio = "" if name == "floor" else _shown(ratio_of_medians(row["peaks"], floor))
        rows.append((f"{megabytes} MB {how}", name, f"{peak:.0f}", len(row["peaks"]), ratio))
        bars.append(Bar(f"{megabytes} MB {how}, {name}", peak, f"{peak:.0f} MB", name == "ours"))
    _plot(docs, "memory", bar_chart("Peak resident memory of the runtime, MB", bars))
    body = table(("picture", "", "peak, MB, median", "runs", "against the floor"), rows)
    return _section("Peak memory", "memory", body)


def _peaks(
    results: dict[str, Any],
    artifact: str,
    by_url: bool,  # noqa: FBT001  # a column
    megabytes: int,
) -> list[float]:
    [peaks] = [
        row["peaks"]
        for row in results["memory"]
        if (row["artifact"], row["by_url"], row["megabytes"]) == (artifact, by_url, megabytes)
    ]
    return list(peaks)


def _size(results: dict[str, Any], docs: Path) -> str:
    bars = []
    for name, packages in results["size"].items():
        total = sum(packages.values()) / MEGABYTE
        bars.append(Bar(name, total, f"{total:.1f} MB", name == "ours"))
    _plot(docs, "size", bar_chart("Artifact, zipped, MB", bars))
    rows = [(bar.label, bar.shown) for bar in bars]
    ours = [(name, f"{size / 1000:.0f}") for name, size in results["size"]["ours"].items()]
    body = table(("", "zipped"), rows) + "\n\nOurs holds:\n\n" + table(("", "kB, zipped"), ours)
    return _section("Artifact", "size", body)


def _losses(results: dict[str, Any], docs: Path) -> str:
    columns = {
        "requests": "requests", "obtainable": "picture obtainable", "billed": "pictures billed",
        "bought_twice": "requests bought more than once", "paid_for_nothing": "pictures billed that nobody needed",
        "lost": "pictures lost",
        "kept_by_provider": "billed and never sent", "named_error": "ended in a named error",
        "foreign_error": "ended in a foreign exception",
    }  # fmt: skip
    rows = [
        (told, *(results["losses"][name][column] for name in results["losses"])) for column, told in columns.items()
    ]
    bars = [
        Bar(f"{name}: {told}", counts[column], str(counts[column]), name == "ours")
        for column, told in (("bought_twice", "bought twice or more"), ("lost", "lost"))
        for name, counts in results["losses"].items()
    ]
    figures: dict[str, object] = {
        "requests": results["losses"]["ours"]["requests"],
        "at_a_time": losses.AT_A_TIME,
        "one_in": losses.ONE_IN,
        "faults": ", ".join(f"`{name}`" for name in losses.FAULTS),
        "s3_refusals": losses.S3_REFUSALS,
        "attempts": 1 + losses.CALLER_RETRIES,
    }
    _plot(docs, "losses", bar_chart("Bought more than once, and lost", bars))
    return _section("Pictures lost and bought twice", "losses", table(("", *results["losses"]), rows), **figures)


def _calls(results: dict[str, Any], docs: Path) -> str:
    cells = {(row["fault"], row["artifact"]): row for row in results["calls"]}
    artifacts = [artifact.name for artifact in calls.ARTIFACTS]
    rows = [(fault, *(_told(cells[fault, name]) for name in artifacts)) for fault in calls.FAULTS]
    bars = [
        Bar(f"{fault}, {name}", cells[fault, name]["requests"], str(cells[fault, name]["requests"]), name == "ours")
        for fault in calls.FAULTS
        for name in artifacts
    ]
    _plot(docs, "calls", bar_chart("Requests to the provider for one invocation, by fault", bars))
    return _section(
        "Calls sent per fault",
        "calls",
        table(("fault, at every turn", *artifacts), rows),
        timeout=calls.PROVIDER_TIMEOUT_SECONDS,
    )


def _told(row: dict[str, Any]) -> str:
    return f"{row['requests']} sent, {row['billed']} billed: {row['error'] or 'a picture'}"


def _billing(results: dict[str, Any], docs: Path) -> str:
    rows, bars = [], []
    for row in results["billing"]:
        fits = "yes" if row["largest_picture_fits"] else "no"
        rows.append((f"{row['memory_mb']} MB", f"{row['warm_seconds']:.2f}", f"{row['warm_gb_seconds']:.2f}",
                     f"{row['cold_seconds']:.2f}", f"{row['cold_gb_seconds']:.2f}", fits))  # fmt: skip
        bars.append(Bar(f"{row['memory_mb']} MB", row["warm_gb_seconds"], f"{row['warm_gb_seconds']:.2f} GB-s"))
    _plot(docs, "billing", bar_chart("Billed GB-seconds for a picture, warm", bars))
    header = ("memory", "seconds, warm", "GB-s, warm", "seconds, cold", "GB-s, cold", "30 MB picture fits")
    return _section(
        "Memory and CPU",
        "billing",
        table(header, rows),
        whole_cpu_mb=billing.WHOLE_CPU_MB,
        provider_seconds=billing.PROVIDER_SECONDS,
        fitting=billing.FITTING,
    )


def _section(title: str, name: str, body: str, **figures: object) -> str:
    """Return a section: its text from prose.md, with these figures, its tables and its plot."""
    text = _prose(name).format(**figures)
    return f"## {title}\n\n{text}\n\n{body}\n\n![{title}](performance-{name}.svg)"


def _prose(name: str) -> str:
    """Return the part of prose.md that stands under a marker."""
    parts = re.split(r"<!-- ([a-z-]+) -->\n", (ROOT / "benchmarks" / "prose.md").read_text("utf-8"))
    return dict(zip(["introduction", *parts[1::2]], parts[::2], strict=True))[name].strip()


def _plot(docs: Path, name: str, svg: str) -> None:
    (docs / f"performance-{name}.svg").write_text(svg, "utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _shown(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"


def _packaged(name: str) -> str:
    return f"the {name}" if name.endswith("as built") else f"the {name} packaged as well as ours"


def _s3_requests(results: dict[str, Any], name: str) -> int:
    return sum(results["warm"][name]["s3_requests"].values())


def _versions() -> str:
    names = ("openai", "litellm", "langchain-community", "boto3", "botocore", "requests", "aws-lambda-powertools")
    pins: dict[str, str] = {}
    for path in [
        ROOT / "src" / "requirements.txt",
        *sorted((ROOT / "benchmarks").glob("comparators/*/requirements.txt")),
    ]:
        pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", path.read_text("utf-8"), re.MULTILINE)) | pins
    openai = ROOT / "benchmarks" / "comparators" / "openai_sdk" / "requirements.txt"
    pins |= dict(re.findall(r"^(openai)==([\w.]+)", openai.read_text("utf-8"), re.MULTILINE))
    return ", ".join(f"{name} {pins[name]}" for name in names)
