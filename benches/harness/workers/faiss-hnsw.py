"""faiss's HNSW through its own Python binding, one thread: over full vectors (`flat`) or bytes (`sq8`).

The ranges of the bytes are trained on the rows of the first insert. This index does not support deleting.
"""
import sys

from peer import Peer, serve

import faiss

KIND = sys.argv[1]


class Faiss(Peer):
    def make(self):
        faiss.omp_set_num_threads(1)
        # Unit vectors in the inner-product space order like cosine.
        metric = faiss.METRIC_L2 if self.given["metric"] == "l2" else faiss.METRIC_INNER_PRODUCT
        m = int(self.given["m"])
        if KIND == "flat":
            index = faiss.IndexHNSWFlat(self.d, m, metric)
        else:
            index = faiss.IndexHNSWSQ(self.d, faiss.ScalarQuantizer.QT_8bit, m, metric)
        index.hnsw.efConstruction = int(self.given["efConstruction"])
        return index

    def add(self, vectors, _rows):
        if not self.index.is_trained:
            self.index.train(vectors)
        # Its labels count up from 0, like the rows.
        self.index.add(vectors)

    def widen(self, ef):
        self.index.hnsw.efSearch = ef

    def find(self, queries, k):
        return self.index.search(queries, k)[1]

    def write(self, path):
        faiss.write_index(self.index, path)

    def read(self, path):
        return faiss.read_index(path)


serve(Faiss())
