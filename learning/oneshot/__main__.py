"""The one-shot table from a shell: `python -m learning.oneshot --seeds 5 -o out`."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import jax

from learning.oneshot.table import Row, table, table_text


def main(arguments: Sequence[str] | None = None) -> None:
    """The table, by `arguments`: printed, and kept as one_shot.json and one_shot.txt in a folder."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(prog="python -m learning.oneshot", description=table.__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--groups", default="digits,languages,one text,endurance", help="separated by commas")
    parser.add_argument("-o", "--out", type=Path, default=None, help="folder")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    for group in given.groups.split(","):
        rows += table(given.seeds, groups=(group,), key=jax.random.key(0))
        print(table_text([r for r in rows if r.group == group]), flush=True)
        if given.out is not None:  # after each group: a run that is stopped has told what it had
            given.out.mkdir(parents=True, exist_ok=True)
            plain = {"seeds": given.seeds, "rows": [row._asdict() for row in rows]}
            (given.out / "one_shot.json").write_text(json.dumps(plain, indent=1))
            (given.out / "one_shot.txt").write_text(table_text(rows) + "\n")


if __name__ == "__main__":
    main()
