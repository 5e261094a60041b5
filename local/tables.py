"""`python -m local.tables`: writes the tables of documents that follow from the code.

They are about prices, parameters, settings and faults.
"""

import re
from collections.abc import Callable
from dataclasses import MISSING
from pathlib import Path

from generate_image.money import to_usd
from generate_image.options import QUALITIES, quality_of
from generate_image.provider.models import output_tokens, price_list
from generate_image.settings import variables
from local.expand_template import parse_template
from local.fault_table import fault_table

ROOT = Path(__file__).parents[1]
END = "<!-- end -->"
PRICED_MODELS = ("gpt-image-2.5-flare", "gpt-image-2")
SIZE = "1024x1024"


def main() -> None:
    """Write every table into its document."""
    for (document, name), table in TABLES.items():
        path = ROOT / document
        path.write_text(replaced(path.read_text("utf-8"), name, table()), "utf-8")


def replaced(text: str, name: str, table: str) -> str:
    """Return a document with a new table between its marks. Raises ValueError if it has no such marks."""
    before, mark, rest = text.partition(f"<!-- {name}: python -m local.tables -->\n")
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"The document has no marks for the table {name}.")
    return before + mark + table + END + after


def price_table() -> str:
    """Return the price of a picture's output tokens in US dollars, by model and quality."""
    lines = [f"| model | {' | '.join(QUALITIES)} |", f"|---|{'---:|' * len(QUALITIES)}"]
    lines += [
        f"| `{model}` | {' | '.join(_price(model, quality) for quality in QUALITIES)} |" for model in PRICED_MODELS
    ]
    return "".join(f"{line}\n" for line in lines)


def _price(model: str, quality: str) -> str:
    tokens = output_tokens(model, quality_of(model, quality), SIZE) or 0
    return f"{tokens * price_list()['usd_per_million_tokens'][model]['output'] / 1_000_000:.4f}"


def parameter_table() -> str:
    """Return the parameters of template.yaml in its groups, with their defaults and descriptions."""
    template = parse_template()
    parameters = template["Parameters"]
    lines = []
    for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]:
        lines += [f"### {group['Label']['default']}", "", "| parameter | default | meaning |", "|---|---|---|"]
        for name in group["Parameters"]:
            default = str(parameters[name].get("Default", ""))
            lines.append(f"| `{name}` | {f'`{default}`' if default else 'none'} | {parameters[name]['Description']}. |")
        lines.append("")
    return "\n".join(lines) + "\n"


def setting_table() -> str:
    """Return the environment variables of the functions with their defaults and parameters."""
    parameters = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): name for name in parse_template()["Parameters"]}
    lines = ["| variable | default | parameter |", "|---|---|---|"]
    for setting in variables():
        name, default = setting.name.upper(), setting.default
        if isinstance(default, tuple):
            default = ",".join(default)
        if setting.name.endswith("_usd") and isinstance(default, int):
            default = f"{to_usd(default):g}"  # type: ignore[arg-type]  # MicroUsd
        shown = "required" if default is MISSING else f"`{default}`" if default else "none"
        parameter = f"`{parameters[name]}`" if name in parameters else "set by the template"
        lines.append(f"| `{name}` | {shown} | {parameter} |")
    return "\n".join(lines) + "\n"


TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "prices"): price_table,
    ("docs/parameters.md", "parameters"): parameter_table,
    ("docs/parameters.md", "settings"): setting_table,
    ("docs/bought-once.md", "faults"): fault_table,
}
"""By the document and the name in its marks."""

if __name__ == "__main__":
    main()
