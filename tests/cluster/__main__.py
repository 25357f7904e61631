"""Real faults: Cassandra, NATS and two of every component, a load, and one thing after the other that goes wrong.

    python -m tests.cluster [--short] [--json]       (make test-cluster)

The long form has three Cassandra nodes and three NATS servers; the short one a Cassandra node and two NATS servers, and
fewer steps. Prints a row for each step. The exit status is 1 if anything that was acknowledged was lost, doubled or
reordered, or if a client got an error that clients do not retry.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.cluster.run import run, table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--json", action="store_true", help="the rows as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plexus-cluster-") as directory:
        rows = asyncio.run(run(Path(directory), short=options.short))
    print(json.dumps([row._asdict() for row in rows], indent=1) if options.json else table(rows))
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
