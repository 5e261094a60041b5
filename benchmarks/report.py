"""Writes the figures of results.json into docs/performance.md, between two comments."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.artifacts import FLOOR, OPENAI, OPENAI_AS_BUILT, OURS, ROOT

PAGE = ROOT / "docs/performance.md"
BEGIN = "<!-- `make benchmark` writes the figures from here … -->"
END = "<!-- … to here. -->"

Results = Mapping[str, Any]


def write(results: Results) -> None:
    """Replace the figures. Raises ValueError if a comment is missing."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE} has no place for the figures.")
    PAGE.write_text(f"{before}{BEGIN}\n\n{figures(results)}\n\n{END}{after}", "utf-8")


def figures(results: Results) -> str:
    """Return the tables in Markdown."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    parts = [
        (
            f"`make benchmark` on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
            f"Python {machine['python']}, {machine['rounds']} rounds. {versions}. In brackets: quartiles."
        ),
        table(("figure", "target", "measured", ""), targets(results)),
        "### Cold start",
        table(("", "ms", "start alone, ms", "CPU ms", "ours to it", "ours to it, CPU"), cold_starts(results)),
        "### Peak memory, MB",
        table(("picture", "ours", "floor", "openai SDK"), memory(results)),
        "### Requests and purchases per fault",
        table(("each request meets", "ours", "openai SDK"), purchases(results)),
    ]
    return "\n\n".join(parts)


def targets(results: Results) -> Iterator[Sequence[str]]:
    """Yield a row for each target."""
    start, memory, bought = results["cold_start"], results["memory"], results["purchases"]

    def row(figure: str, target: float, values: Sequence[float], unit: str = "") -> Sequence[str]:
        return figure, f"at most {target:g}{unit}", f"{spread(values)}{unit}", verdict(middle(values), target)

    yield row("cold start, CPU time: ours to the openai SDK packaged alike", 0.40, start[OPENAI.name]["ratio_cpu_ms"])
    yield row("cold start, CPU time: ours to the floor packaged alike", 1.05, start[FLOOR.name]["ratio_cpu_ms"])
    for form in ("in base64", "by URL"):
        peaks = memory[f"3 MB {form}"]
        ratio = round(middle(peaks[OURS.name]) / middle(peaks[FLOOR.name]), 2)
        yield row(f"peak memory, 3 MB {form}: ours to the floor", 1.2, [ratio])
    yield row("artifact, zipped", 6, [results["size"][OURS.name]], " MB")
    yield row("purchases for one request, whatever the fault", 1, [max(row[OURS.name][1] for row in bought.values())])
    yield row(
        "HTTP: `POST` until the picture, minus the direct call", 500, results["http_overhead"]["overhead_ms"], " ms"
    )


def cold_starts(results: Results) -> Iterator[Sequence[str]]:
    """Yield a row for each artifact."""
    for artifact in (OURS, FLOOR, OPENAI, OPENAI_AS_BUILT):
        row = results["cold_start"][artifact.name]
        ratios = [spread(row[name]) if name in row else "" for name in ("ratio_ms", "ratio_cpu_ms")]
        yield artifact.name, *(spread(row[name]) for name in ("ms", "init_ms", "cpu_ms")), *ratios


def memory(results: Results) -> Iterator[Sequence[str]]:
    """Yield a row for each picture."""
    for picture, peaks in results["memory"].items():
        yield picture, *(spread(peaks[name]) if name in peaks else "" for name in (OURS.name, FLOOR.name, OPENAI.name))


def purchases(results: Results) -> Iterator[Sequence[str]]:
    """Yield a row for each fault."""
    for fault, by_artifact in results["purchases"].items():
        cells = [by_artifact[artifact.name] for artifact in (OURS, OPENAI)]
        yield fault, *(f"{requests} sent, {billed} bought: {error}" for requests, billed, error in cells)


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def spread(values: Sequence[float]) -> str:
    """Return the median, with the quartiles if there are any."""
    if len(values) == 1:
        return f"{values[0]:g}"
    low, median, high = values
    return f"{median:g} ({low:g}-{high:g})"


def middle(values: Sequence[float]) -> float:
    """Return the median of quartiles, or the only value."""
    return values[len(values) // 2]


def verdict(value: float, target: float) -> str:
    """Return whether a target is reached."""
    return "reached" if value <= target else "**missed**"
