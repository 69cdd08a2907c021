"""hnswlib, the native library, through its own Python binding, one thread."""
from peer import Peer, serve

import hnswlib


class Hnswlib(Peer):
    def space(self):
        # Unit vectors in the inner-product space order like cosine, without normalizing again.
        return hnswlib.Index("l2" if self.given["metric"] == "l2" else "ip", self.d)

    def make(self):
        index = self.space()
        m, ef_construction = int(self.given["m"]), int(self.given["efConstruction"])
        index.init_index(self.rows, M=m, ef_construction=ef_construction, random_seed=100)
        index.set_num_threads(1)
        return index

    def add(self, vectors, rows):
        self.index.add_items(vectors, rows, num_threads=1)

    def widen(self, ef):
        self.index.set_ef(ef)

    def find(self, queries, k):
        return self.index.knn_query(queries, k=k, num_threads=1)[0]

    def remove(self, rows):
        mark = self.index.mark_deleted
        for row in rows:
            mark(row)

    def write(self, path):
        self.index.save_index(path)

    def read(self, path):
        index = self.space()
        index.load_index(path, max_elements=self.rows)
        index.set_num_threads(1)
        return index


serve(Hnswlib())
