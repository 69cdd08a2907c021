"""Shared by the native peers: the protocol of serve.mjs, and the times and sizes that every contender reports.

A request is a verb and key=value fields separated by tabs; the answer is a line of JSON. A search runs in one of two
modes, one query per call or all queries in one call; the faster mode gives a peer's figure.
"""
import json
import os
import shutil
import sys
import time

# One thread each. Set before a peer's library is loaded, since it reads them only then.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np


def resident_bytes():
    """Excludes memory mapped from files, such as the vectors to be inserted."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0


def timed(work):
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, {"wallMs": (time.perf_counter() - wall) * 1e3, "cpuMs": (time.process_time() - cpu) * 1e3}


def bytes_of(path):
    """Returns the bytes of a file, or of everything in a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


class Peer:
    """A peer implements `make`, `add`, `widen` and `find`, and optionally `remove`, `write` and `read`."""

    def open(self, given):
        self.given = given
        self.d, self.rows = int(given["dimensions"]), int(given["rows"])
        self.base = np.asarray(np.memmap(given["base"], "<f4", "r")).reshape(-1, self.d)[: self.rows]
        self.use(given)
        self.index = None
        self.before = resident_bytes()

    def use(self, given):
        self.queries = np.fromfile(given["queries"], "<f4").reshape(-1, self.d)

    def create(self, _given):
        self.index = None
        self.index = self.make()

    def insert(self, given):
        begin, end = int(given["from"]), int(given["to"])
        rows = np.arange(begin, end)
        return timed(lambda: self.add(self.base[begin:end], rows))[1]

    def search(self, given):
        k, ef = int(given["k"]), int(given["ef"])
        count = int(given.get("count", len(self.queries)))
        queries = np.take(self.queries, np.arange(count), axis=0, mode="wrap")
        self.widen(max(ef, k))
        latencies = []
        if given.get("mode") == "batch":
            ids, times = timed(lambda: self.find(queries, k))
        else:
            ids = np.empty((count, k), np.int32)
            find, now = self.find, time.perf_counter

            def plain():
                for i in range(count):
                    ids[i] = find(queries[i : i + 1], k)[0]

            def clocked():
                for i in range(count):
                    start = now()
                    found = find(queries[i : i + 1], k)
                    latencies.append((now() - start) * 1e3)
                    ids[i] = found[0]

            times = timed(clocked if given.get("latencies") else plain)[1]
        if given.get("ids"):
            ids.astype("<i4").tofile(given["ids"])
        answer = {**times, "count": count}
        if latencies:
            answer["latenciesMs"] = latencies
        return answer

    def memory(self, _given):
        return {"residentBytes": resident_bytes() - self.before, "how": "resident memory, after less before the first index"}

    def delete(self, given):
        rows = np.fromfile(given["rows"], "<i4")
        return {**timed(lambda: self.remove(rows))[1], "deleted": len(rows)}

    def save(self, given):
        if os.path.isdir(given["path"]):
            shutil.rmtree(given["path"])
        times = timed(lambda: self.write(given["path"]))[1]
        return {**times, "bytes": bytes_of(given["path"])}

    def reopen(self, given):
        def work():
            self.index = self.read(given["path"])
            self.widen(64)
            self.find(self.queries[:1], 10)

        self.index = None
        return timed(work)[1]


def serve(peer):
    # A library's output goes to standard error: standard output carries only answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        verb, *fields = line.rstrip("\n").split("\t")
        try:
            if verb not in ("open", "use", "create", "insert", "search", "memory", "delete", "save", "reopen"):
                raise ValueError(f"no such command: {verb}")
            answer = getattr(peer, verb)(dict(field.split("=", 1) for field in fields)) or {}
        except Exception as error:  # The harness reports it and continues without this contender.
            answer = {"error": repr(error)}
        print(json.dumps(answer), file=answers, flush=True)
