#!/usr/bin/env python3
"""usage: check_trace.py TRACE

Checks that TRACE is a trace in which what 05_trace does can be seen: tracks with names, slices that nest, arrows from slice
to slice, the timeout that struck, the auditor's end. Prints what it found.
"""

import collections
import json
import sys


class Broken(Exception):
    pass


def expect(condition, promise):
    if not condition:
        raise Broken(promise)


def no_twins(pairs):
    expect(len({name for name, _ in pairs}) == len(pairs), "no member occurs twice")
    return dict(pairs)


def nanoseconds(microseconds):
    return round(microseconds * 1000)


class Trace:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file, object_pairs_hook=no_twins)
        self.dropped = int(document["otherData"]["dropped_events"])
        self.names, self.slices, self.starts, self.ends = {}, collections.defaultdict(list), {}, {}
        self.notes, self.counters = [], []
        for event in document["traceEvents"]:
            track = (event["pid"], event["tid"])
            phase = event["ph"]
            if phase == "X":
                begin = nanoseconds(event["ts"])
                event["begin"], event["end"] = begin, begin + nanoseconds(event["dur"])
                self.slices[track].append(event)
            elif phase == "M" and event["name"] == "thread_name":
                self.names[track] = event["args"]["name"]
            elif phase in "sf":
                ends = self.starts if phase == "s" else self.ends
                expect(event["id"] not in ends, f"arrow {event['id']} has one {phase}")
                ends[event["id"]] = (track, nanoseconds(event["ts"]))
            elif phase == "i":
                self.notes.append(event)
            elif phase == "C":
                self.counters.append(event["args"])

    def track(self, name):
        found = [track for track, text in self.names.items() if text.rpartition(" #")[0] == name]
        expect(len(found) == 1, f"there is one track called {name}")
        return found[0]

    def on(self, name, category):
        return [each for each in self.slices[self.track(name)] if each["cat"] == category]

    def check_slices(self):
        for track, slices in self.slices.items():
            expect(track in self.names, f"track {track} has a name")
            around = []
            for each in slices:
                while around and around[-1]["end"] <= each["begin"]:
                    around.pop()
                inside = not around or (around[-1]["begin"] <= each["begin"] and each["end"] <= around[-1]["end"])
                expect(each["begin"] <= each["end"] and inside, f"{each['name']} nests on {self.names[track]}")
                around.append(each)

    def check_arrows(self):
        expect(self.starts.keys() == self.ends.keys(), "every arrow has two ends")
        for number, (track, time) in self.starts.items():
            to, arrival = self.ends[number]
            leaves = any(each["begin"] <= time <= each["end"] for each in self.slices[track])
            arrives = any(each["begin"] == arrival and each["cat"] == "step" for each in self.slices[to])
            expect(time <= arrival and leaves and arrives, f"arrow {number} leads from a slice to a step")

    def arrows(self, source, target):
        ends = self.track(source), self.track(target)
        return sum((start[0], self.ends[number][0]) == ends for number, start in self.starts.items())


def check(trace):
    trace.check_slices()
    trace.check_arrows()
    expect(trace.dropped == 0, "nothing was dropped")
    workers = ["worker A", "worker B", "worker C"]
    for name in ["main", "reader", "auditor", *workers]:
        expect(trace.on(name, "step"), f"{name} has steps")
    for order in range(1, 9):
        for what in ("charge", "reserve"):
            expect(trace.on(f"{what} order {order}", "step"), f"{what} order {order} has steps")

    timeouts = [each for name in workers for each in trace.on(name, "scope")]
    expect([each["name"] for each in timeouts] == ["timeout 150 ms"] * 8, "each order has its timeout")
    struck = [each for each in timeouts if each["args"].get("cancelled_by") == "deadline"]
    expect(len(struck) == 1, "one timeout struck")
    expect(struck[0]["args"]["absorbed_the_cancellation"], "and ended its order")
    expect(struck[0]["end"] - struck[0]["begin"] >= 150_000_000, "after its time")
    expect(trace.on("reserve order 4", "wait")[0]["name"] == "sleep_forever", "the reason can be seen")

    nurseries = trace.on("main", "nursery")
    expect(len(nurseries) == 2, "main opens two nurseries")
    outer, inner = nurseries
    expect(outer["begin"] <= inner["begin"] and inner["end"] <= outer["end"], "one inside the other")
    expect(outer["args"]["reason"] == "all orders are done", "the auditor's end has its reason")
    expect(outer["args"]["by_task"] == "main", "and its author")
    expect(any(each["name"] == "cancelled: deadline" for each in trace.notes), "the deadline is noted")

    expect(trace.arrows("main", "auditor") == 2, "main spawns the auditor and cancels it")
    expect(sum(trace.arrows("reader", name) for name in workers) >= 1, "the reader wakes workers")
    expect(all(trace.arrows("main", name) >= 1 for name in workers), "main spawns workers")
    living = [each["living"] for each in trace.counters]
    expect(max(living) >= 9 and living[-1] == 0, "the living are counted")

    slices = sum(map(len, trace.slices.values()))
    print(f"{len(trace.names)} tracks, {slices} slices, {len(trace.starts)} arrows, {len(trace.notes)} notes: all is well")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    try:
        check(Trace(sys.argv[1]))
    except Broken as promise:
        sys.exit(f"NOT KEPT: {promise}")


main()
