"""`python trim_endpoints.py endpoints.json SERVICE…`: leave these services alone in botocore's list of endpoints.

botocore reads the whole list, 1.2 MB, before it makes its first client.
"""

import json
import sys
from pathlib import Path


def main(path: Path, services: list[str]) -> None:
    """Write the list again, shorter. Fails for a service that no partition has."""
    endpoints = json.loads(path.read_text("utf-8"))
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in services}
    kept = {name for partition in endpoints["partitions"] for name in partition["services"]}
    if kept != set(services):
        sys.exit(f"{path} has no endpoints of {', '.join(sorted(set(services) - kept))}.")
    path.write_text(json.dumps(endpoints, separators=(",", ":")), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
