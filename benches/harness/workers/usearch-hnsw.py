"""usearch through its own Python binding, one thread: vectors stored as `f32` or as `i8`, which it does not rerank.

It has no compaction; added vectors reuse the space of removed ones.
"""
import sys

from peer import Peer, serve

import numpy as np
from usearch.index import Index

KIND = sys.argv[1]


class Usearch(Peer):
    def make(self):
        return Index(
            ndim=self.d,
            # Unit vectors in the inner-product space order like cosine.
            metric="l2sq" if self.given["metric"] == "l2" else "ip",
            dtype=KIND,
            connectivity=int(self.given["m"]),
            expansion_add=int(self.given["efConstruction"]),
        )

    def add(self, vectors, rows):
        self.index.add(rows, vectors, threads=1)

    def widen(self, ef):
        self.index.expansion_search = ef

    def find(self, queries, k):
        keys = self.index.search(queries, k, threads=1).keys
        if keys.ndim == 2 and keys.shape[1] == k:
            return keys
        ids = np.full((len(queries), k), -1, np.int64)
        ids[:, : keys.shape[-1]] = keys
        return ids

    def remove(self, rows):
        self.index.remove(rows.astype(np.uint64), threads=1)

    def write(self, path):
        self.index.save(path)

    def read(self, path):
        index = self.make()
        index.load(path)
        return index


serve(Usearch())
