#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tree to the rules of the house (ARCHITECTURE.md, CONTRIBUTING.md).

Floors: a room includes only from floors below its own. Headers say
`#pragma once` and carry the licence. Only clock.cc reads the system's clocks.
Rooms have a README. Exits 1 and names file and line where a rule is broken.
`--self-test` breaks each rule in a tree of its own and wants it named.
"""
import pathlib
import re
import sys
import tempfile

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


def check_tree():
    for top in ("src", "guard", "bench", "tests", "examples"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in (".cc", ".h") and path.is_file():
                check_source(path)
    for room in sorted((ROOT / "src" / "fodc").iterdir()):
        if room.is_dir() and any(room.glob("*.cc")):
            if not (room / "README.md").exists():
                problem(room, 1, "the room has no README.md")


LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
# File, its text, and what must be said of it; "" where nothing may be.
BROKEN = [
    ("src/fodc/base/up.cc", LICENCE + '#include "fodc/recorder/snapshot.h"\n',
     "up.cc:2: room base (floor 0) includes from recorder (floor 2)"),
    ("src/fodc/wal/beside.cc", LICENCE + '#include "fodc/net/resolver.h"\n',
     "beside.cc:2: room wal (floor 1) includes from net (floor 1)"),
    ("src/fodc/cellar/a.cc", LICENCE, "room cellar has no floor"),
    ("guard/src/a.cc", LICENCE + '#include "fodc/net/resolver.h"\n',
     "guard may not include from room net"),
    ("src/fodc/base/bare.cc", "int x;\n", "not the SPDX licence"),
    ("src/fodc/base/twice.h", LICENCE, "no #pragma once"),
    ("src/fodc/base/long.cc", LICENCE + "\n" * MAX_LINES, "801 lines"),
    ("src/fodc/net/now.cc", LICENCE + "auto t = steady_clock::now();\n",
     "now.cc:2: reads a clock"),
    ("src/fodc/net/README.md", "", ""),
    ("src/fodc/net/down.cc", LICENCE + '#include "fodc/base/status.h"\n', ""),
    ("src/fodc/net/now_test.cc", LICENCE + "steady_clock::now();\n", ""),
    ("src/fodc/base/comment.cc", LICENCE + "// time(NULL) is not used\n", ""),
]


def self_test():
    global ROOT
    with tempfile.TemporaryDirectory() as directory:
        ROOT = pathlib.Path(directory)
        for name, text, _ in BROKEN:
            path = ROOT / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        check_tree()
        wanted = [text for _, _, text in BROKEN if text]
        wanted += [f"src/fodc/{room}:1: the room has no README.md"
                   for room in ("base", "cellar", "wal")]
    missing = [w for w in wanted if not any(w in p for p in problems)]
    for text in missing:
        print(f"not found: {text}")
    surplus = len(problems) - len(wanted)
    if surplus:
        print("\n".join(problems))
    print(f"check_house --self-test: {len(missing)} missing, {surplus} surplus")
    return 1 if missing or surplus else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    check_tree()
    for text in problems:
        print(text)
    print(f"check_house: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
