"""Draws the small sample in `wordnet/` from a full set of embedded WordNet glosses.

    python3 make-sample.py SOURCE_DIR [OUTPUT_DIR]

SOURCE_DIR holds base.f16.npy and queries.f16.npy (float16, a row a gloss), base.jsonl.gz and
queries.jsonl.gz (a line a row: synset, word, pos, lexname, text) and WORDNET-LICENSE.txt.
The draw is seeded: the same source gives the same files. Every lexname keeps at least
MIN_PER_LEXNAME rows and otherwise its share of the source. Needs numpy.
"""

import gzip
import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

SEED = 20261121
BASE_ROWS = 5_000
QUERY_ROWS = 200
MIN_PER_LEXNAME = 3


def read_rows(path):
    """The rows of a gzipped jsonl file, with the fields the sample keeps."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield {
                "id": row["synset"],
                "word": row["word"],
                "pos": row["pos"],
                "lexname": row["lexname"],
                "text": row["text"],
            }


def spread(rows, count, rng):
    """Row numbers, ascending: a proportional share of each lexname, and at least a few of each."""
    by_lexname = defaultdict(list)
    for number, row in enumerate(rows):
        by_lexname[row["lexname"]].append(number)
    chosen = []
    for lexname in sorted(by_lexname):
        numbers = by_lexname[lexname]
        share = max(MIN_PER_LEXNAME, count * len(numbers) // len(rows))
        chosen.extend(rng.choice(numbers, size=min(share, len(numbers)), replace=False).tolist())
    # Rounding down leaves a few places open (or the minimum overfills them): settle at random.
    if len(chosen) > count:
        chosen = rng.choice(chosen, size=count, replace=False).tolist()
    else:
        rest = np.setdiff1d(np.arange(len(rows)), chosen)
        chosen.extend(rng.choice(rest, size=count - len(chosen), replace=False).tolist())
    return sorted(chosen)


def write_part(source, output, name, numbers, rows):
    """One matrix and its rows, in the same order."""
    matrix = np.load(source / f"{name}.f16.npy", mmap_mode="r")
    np.save(output / f"{name}.f16.npy", np.ascontiguousarray(matrix[numbers]).astype("<f2"))
    with open(output / f"{name}.jsonl", "w", encoding="utf-8", newline="\n") as out:
        for number in numbers:
            out.write(json.dumps(rows[number], ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    source = Path(sys.argv[1])
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "wordnet"
    output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)

    base = list(read_rows(source / "base.jsonl.gz"))
    write_part(source, output, "base", spread(base, BASE_ROWS, rng), base)

    queries = list(read_rows(source / "queries.jsonl.gz"))
    picked = sorted(rng.choice(len(queries), size=QUERY_ROWS, replace=False).tolist())
    write_part(source, output, "queries", picked, queries)

    shutil.copyfile(source / "WORDNET-LICENSE.txt", output / "WORDNET-LICENSE.txt")


if __name__ == "__main__":
    main()
