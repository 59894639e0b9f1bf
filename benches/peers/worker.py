"""How a program of this folder talks to `run`: a work's name a line in, a line of JSON out.

A work is a function that trains once and returns when everything is computed. It is repeated until
`least_s` seconds have gone, so that short works are timed well; the list of times is the answer.
"""

import json
import sys
import time


def serve(works, versions):
    """`works` maps a name to (prepare, lane_steps): `prepare()` compiles, warms up and returns the
    function to time, which returns the shares that `run` compares, or None."""
    prepared = {}
    print(json.dumps({"ready": True, "versions": versions}), flush=True)
    for line in sys.stdin:
        name, least_s = line.split()
        prepare, lane_steps = works[name]
        if name not in prepared:
            prepared[name] = prepare()
            prepared[name]()
        seconds, checks = [], None
        end = time.perf_counter() + float(least_s)
        while not seconds or time.perf_counter() < end:
            begin = time.perf_counter()
            checks = prepared[name]()
            seconds.append(time.perf_counter() - begin)
        print(json.dumps({"work": name, "seconds": seconds, "lane_steps": lane_steps, "checks": checks}), flush=True)
