"""The results, for people and for scripts."""

import dataclasses
from typing import Any

from .drain import WINDOW, Seen

# The share of the calls that may be on a lame duck after its connections have moved.
MOST_LEFT = 0.1


def lost(codes: dict[str, int]) -> int:
    return sum(calls for code, calls in codes.items() if code != "OK")


def table(seen: Seen) -> str:
    lines = [
        "| client | calls | lost | on the first lame duck, "
        f"{WINDOW[0]:g} to {WINDOW[1]:g} s after SIGTERM |",
        "|---|---:|---:|---:|",
    ]
    for client, codes in seen.codes.items():
        calls = sum(codes.values())
        lines.append(f"| {client} | {calls} | {lost(codes)} | {seen.shares[client]:.1%} |")
    took = ", ".join(f"{seconds:.0f}" for seconds in seen.took)
    codes = ", ".join(str(code) for code in seen.exit_codes)
    lines.append(f"exit codes {codes} after {took} s")
    return "\n".join(lines)


def problems(seen: Seen) -> list[str]:
    found = [
        f"{client}: {lost(codes)} of {sum(codes.values())} calls: {seen.errors[client]}"
        for client, codes in seen.codes.items() if lost(codes)
    ]
    # A connection through the ClusterIP reaches another pod as soon as a lame duck asks its client
    # to connect again.
    found += [
        f"{client}: {share:.0%} of the calls were still on the lame duck"
        for client, share in seen.shares.items() if "ClusterIP" in client and share > MOST_LEFT
    ]
    found += [f"a server ended with {code}" for code in seen.exit_codes if code != 0]
    return found


def as_json(seen: Seen) -> dict[str, Any]:
    return dataclasses.asdict(seen)
