"""SVS (scalable-vs) through its own Python binding, one thread: its static Vamana graph over `f32` or LVQ codes (`4x8`,
`8x0`: bits of the first code and of the residual).

A static graph is built in one go, which is fastest, so it is built when the last row is inserted. M and efConstruction
correspond to degree 2M and window efConstruction. Unit vectors are compared by l2, which orders like cosine.
"""
import os
import sys
import tempfile

from peer import Peer, serve

import numpy as np
import svs

KIND = sys.argv[1]


class Svs(Peer):
    def make(self):
        return None

    def add(self, _vectors, rows):
        if rows[-1] + 1 < self.rows:
            return
        given = self.given
        parameters = svs.VamanaBuildParameters(
            graph_max_degree=2 * int(given["m"]), window_size=int(given["efConstruction"]), alpha=1.2
        )
        build = lambda data: svs.Vamana.build(parameters, data, svs.DistanceType.L2, num_threads=1)
        if KIND == "f32":
            self.index = build(self.base)
            return
        # LVQ can only be built from a file.
        with tempfile.TemporaryDirectory(dir=os.path.dirname(given["base"])) as folder:
            path = os.path.join(folder, "base.fvecs")
            svs.write_vecs(self.base, path)
            primary, residual = (int(bits) for bits in KIND.split("x"))
            self.index = build(svs.LVQLoader(svs.VectorDataLoader(path, svs.DataType.float32), primary, residual))

    def widen(self, ef):
        self.index.search_window_size = ef

    def find(self, queries, k):
        return self.index.search(queries, k)[0].astype(np.int64)

    def write(self, path):
        os.makedirs(path)
        self.index.save(*(os.path.join(path, name) for name in ("config", "graph", "data")))

    def read(self, path):
        config, graph, data = (os.path.join(path, name) for name in ("config", "graph", "data"))
        loader = svs.VectorDataLoader(data) if KIND == "f32" else svs.LVQLoader(data)
        return svs.Vamana(config, svs.GraphLoader(graph), loader, svs.DistanceType.L2, num_threads=1)


serve(Svs())
