#!/usr/bin/env python3
"""results.json and table.txt of a folder that tests/gpu/run.sh filled: report.py DIR"""
import json
import os
import subprocess
import sys
import time

folder = sys.argv[1]


def ask(*command):
    """Lines that the command prints; none where it fails or is not here."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []


def ask_driver(field):
    return ask("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader")


def read_lines(name):
    path = os.path.join(folder, name)
    return open(path, encoding="utf-8").read().splitlines() if os.path.exists(path) else []


def read_benchmarks():
    rows = []
    for line in read_lines("bench.jsonl"):
        if line.startswith("{"):
            rows.append(json.loads(line))
    return rows


def key(row):
    return row["backbone"], row["size"], row["batch"], row["precision"]


def show(value, form):
    return "-" if value is None else form % value


cards = ask_driver("name")
stages = [dict(zip(("stage", "verdict", "seconds", "why"), line.split("\t"))) for line in read_lines("stages.tsv")]
benchmarks = read_benchmarks()
results = {
    "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    "cards": cards,
    "driver": (ask_driver("driver_version") or [None])[0],
    "commit": (ask("git", "rev-parse", "HEAD") or ["unknown"])[0],
    "stages": stages,
    "benchmarks": benchmarks,
}
with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as file:
    json.dump(results, file, indent=1)
    file.write("\n")

card = f"{len(cards)} x {cards[0]}" if cards else "no GPU: a rehearsal, its speeds say nothing"
lines = [f"{card}, driver {results['driver']}, {results['date']}, commit {results['commit'][:12]}", ""]
for s in stages:
    lines.append(f"{s['stage']:<12} {s['verdict']:<5} {s['seconds']:>5} s  {s['why']}".rstrip())
if benchmarks:
    lines += ["", f"{'network':<22} {'px':>4} {'batch':>5} {'type':<5} {'program':<28} {'img/s':>10} {'GiB':>6} {'futago is':>10}"]
ours = {key(row): row["result"].get("img_per_s") for row in benchmarks if row["mode"] == "futago"}
for row in sorted(benchmarks, key=lambda r: (key(r), r["mode"] != "futago", r["mode"])):
    speed, memory = row["result"].get("img_per_s"), row["result"].get("device_bytes")
    ratio = ours.get(key(row)) / speed if ours.get(key(row)) and speed and row["mode"] != "futago" else None
    name = "futago" if row["mode"] == "futago" else f"{row['program']} {row['mode']}"
    lines.append(f"{row['backbone']:<22} {row['size']:>4} {row['batch']:>5} {row['precision']:<5} {name:<28} {show(speed, '%.1f'):>10} "
                 f"{show(memory / 2**30 if memory else None, '%.2f'):>6} {show(ratio, '%.2f x'):>10}")
with open(os.path.join(folder, "table.txt"), "w", encoding="utf-8") as file:
    file.write("\n".join(lines) + "\n")
