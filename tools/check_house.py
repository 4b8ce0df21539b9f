#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to the rules of the house (ARCHITECTURE.md, CONTRIBUTING.md).

Floors: a room includes only from floors below its own. Headers say
`#pragma once` and carry the licence. Only clock.cc reads the system's clocks.
Rooms have a README. Exits 1 and names file and line where a rule is broken.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

FLOORS = [
    {"base"},
    {"exposition", "pprof", "wal", "net", "target"},
    {"recorder", "kernel", "evidence", "object_store"},
    {"collect", "detect", "capture", "guardian", "node", "fleet"},
    {"link", "api", "program"},
    {"agent", "proxy", "backup", "ctl"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
GUARD_MAY_USE = {"base", "wal", "pprof"}

# Generated messages (fodc/flight/v1/flight.pb.h) are of no room.
INCLUDE = re.compile(r'^\s*#\s*include\s+"fodc/([a-z_]+)/(?!.*\.pb\.h")')
CLOCKS = re.compile(
    r"\b(clock_gettime|gettimeofday|(system|steady|high_resolution)_clock::now|"
    r"time\(nullptr\)|time\(NULL\))")
MAX_LINES = 800

problems = []


def problem(path, line, text):
    problems.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def room_of(path):
    parts = path.relative_to(ROOT).parts
    if parts[:2] == ("src", "fodc") and len(parts) > 3:
        return parts[2]
    if parts[0] == "guard":
        return "guard"
    return None


def check_include(path, number, room, used):
    if used == room:
        return
    if room == "guard":
        if used not in GUARD_MAY_USE:
            problem(path, number, f"guard may not include from room {used}")
        return
    if used not in FLOOR_OF:
        problem(path, number, f"room {used} has no floor in {__file__}")
    elif FLOOR_OF[used] >= FLOOR_OF[room]:
        problem(path, number,
                f"room {room} (floor {FLOOR_OF[room]}) includes from "
                f"{used} (floor {FLOOR_OF[used]})")


def check_source(path):
    room = room_of(path)
    if room and room != "guard" and room not in FLOOR_OF:
        problem(path, 1, f"room {room} has no floor in tools/check_house.py")
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or "SPDX-License-Identifier:" not in lines[0]:
        problem(path, 1, "the first line is not the SPDX licence")
    if path.suffix == ".h" and "#pragma once" not in lines and room != "guard":
        problem(path, 1, "no #pragma once")
    if len(lines) > MAX_LINES:
        problem(path, MAX_LINES, f"{len(lines)} lines; split it")
    is_test = path.stem.endswith(("_test", "_fuzzer")) or room is None
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match and room and ".pb.h" not in line:
            check_include(path, number, room, match.group(1))
        code = line.split("//")[0]
        if (room and not is_test and CLOCKS.search(code)
                and path.name != "clock.cc"):
            problem(path, number, "reads a clock; take a fodc::Clock")


def main():
    for top in ("src", "guard", "bench", "tests", "examples"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".cc", ".h") and path.is_file():
                check_source(path)
    for room in sorted((ROOT / "src" / "fodc").iterdir()):
        if room.is_dir() and any(room.glob("*.cc")):
            if not (room / "README.md").exists():
                problem(room, 1, "the room has no README.md")
    for text in problems:
        print(text)
    print(f"check_house: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
