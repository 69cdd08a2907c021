"""hnswlib, the native library, by its own Python binding, one thread.

The same lines as serve.mjs: a verb and key=value fields separated by tabs come in, a line of JSON goes out. A search is
run in one of two modes, one query a call or all queries in one call; the harness takes the faster for hnswlib's figure.
"""
import json
import os
import sys
import time

import hnswlib
import numpy as np


def resident_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def timed(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {"wallMs": (time.perf_counter() - wall) * 1e3, "cpuMs": (time.process_time() - cpu) * 1e3}


class Contender:
    def open(self, given):
        self.d, self.rows = int(given["dimensions"]), int(given["rows"])
        self.given = given
        self.base = np.fromfile(given["base"], "<f4").reshape(-1, self.d)
        self.queries = np.fromfile(given["queries"], "<f4").reshape(-1, self.d)
        self.index = None
        self.before = resident_bytes()

    def make(self):
        # Unit vectors in the inner-product space: the order of cosine, without normalizing anything again.
        return hnswlib.Index("l2" if self.given["metric"] == "l2" else "ip", self.d)

    def create(self, _given):
        self.index = None
        self.index = self.make()
        self.index.init_index(
            self.rows, M=int(self.given["m"]), ef_construction=int(self.given["efConstruction"]), random_seed=100
        )
        self.index.set_num_threads(1)

    def insert(self, given):
        begin, end = int(given["from"]), int(given["to"])
        labels = np.arange(begin, end)
        return timed(lambda: self.index.add_items(self.base[begin:end], labels, num_threads=1))[1]

    def search(self, given):
        k, ef = int(given["k"]), int(given["ef"])
        count = int(given.get("count", len(self.queries)))
        queries = np.take(self.queries, np.arange(count), axis=0, mode="wrap")
        self.index.set_ef(max(ef, k))
        latencies = []
        if given.get("mode") == "batch":
            labels, times = timed(lambda: self.index.knn_query(queries, k=k, num_threads=1)[0])
        else:
            labels = np.empty((len(queries), k), np.int32)
            knn, now = self.index.knn_query, time.perf_counter

            def plain():
                for i in range(len(queries)):
                    labels[i] = knn(queries[i], k=k, num_threads=1)[0][0]

            def clocked():
                for i in range(len(queries)):
                    start = now()
                    found = knn(queries[i], k=k, num_threads=1)
                    latencies.append((now() - start) * 1e3)
                    labels[i] = found[0][0]

            times = timed(clocked if given.get("latencies") else plain)[1]
        if given.get("ids"):
            labels.astype("<i4").tofile(given["ids"])
        answer = {**times, "count": len(queries)}
        if latencies:
            answer["latenciesMs"] = latencies
        return answer

    def memory(self, _given):
        return {"residentBytes": resident_bytes() - self.before, "how": "resident set, after less before the first index"}

    def save(self, given):
        times = timed(lambda: self.index.save_index(given["path"]))[1]
        return {**times, "bytes": os.path.getsize(given["path"])}

    def reopen(self, given):
        def work():
            index = self.make()
            index.load_index(given["path"], max_elements=self.rows)
            index.set_num_threads(1)
            index.set_ef(64)
            index.knn_query(self.queries[0], k=10, num_threads=1)

        return timed(work)[1]


def main():
    contender = Contender()
    for line in sys.stdin:
        verb, *fields = line.rstrip("\n").split("\t")
        try:
            if verb.startswith("_") or not hasattr(contender, verb):
                raise ValueError(f"no such command: {verb}")
            answer = getattr(contender, verb)(dict(field.split("=", 1) for field in fields)) or {}
        except Exception as error:  # The harness reports it and goes on without this contender.
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


main()
