"""The promises of the server under attack, and the table of the results."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from support.memory import MIB, Sample
from support.observer import HEALTH, HONEST, OK, PROBES, REFUSED, Outcome

MAX_PROBE_P99 = 0.5
# The share of the honest calls that must be served, or refused with a hint. It is not all, because
# the client's own deadline can pass while the attackers use the half CPU.
MIN_HONEST = 0.99
# How much more memory than at rest may stay in use.
MAX_LEFT = 8 * MIB
# If the observer itself was later than this, in seconds, this machine was too busy to measure.
MAX_LATE = 0.1


@dataclass
class Result:
    """An attack, and what was seen of the server."""

    title: str
    attacks: list[str]
    seconds: float
    # How the server ended, or "".
    death: str
    outcomes: list[Outcome]
    before: Sample
    # The last sample of the process while it lived, with its peaks.
    last: Sample
    after: Sample
    # The time of the sample `after`, in seconds since the end of the attack.
    settled: float
    tallies: dict[str, Counter]

    def of(self, who: str) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.who == who]

    def results(self, who: str) -> Counter:
        return Counter(outcome.result for outcome in self.of(who))

    def p99(self, who: str) -> float:
        return percentile((outcome.latency for outcome in self.of(who)), 0.99)

    def late(self) -> float:
        return percentile((outcome.late for outcome in self.outcomes), 0.99)

    def honest(self) -> tuple[int, int, int]:
        """Returns how many honest calls were served, refused with a hint, and failed."""
        results = self.results(HONEST)
        return results[OK], results[REFUSED], results.total() - results[OK] - results[REFUSED]

    def broken_promises(self) -> list[str]:
        if self.death:
            return [f"the process lives: {self.death}"]
        broken = []
        for probe in PROBES:
            results = self.results(probe)
            # The latencies do not show a wrong response that arrives in time.
            wrong = {result: count for result, count in results.items() if result != OK}
            if sum(wrong.values()) > results.total() * 0.01:
                broken.append(f"{probe} answers: {describe(wrong)} of {results.total()}")
            if self.p99(probe) > MAX_PROBE_P99:
                broken.append(f"{probe} answers with a p99 below 500 ms: "
                              f"{self.p99(probe) * 1000:.0f} ms")
        # Without an attack, the promises are not checked. Of several attacks at once, one can keep
        # another from reaching the server.
        if len(self.attacks) == 1 and not self.tallies.get(self.attacks[0]):
            broken.append("the attack is made: it did nothing")
        served, refused, failed = self.honest()
        if served + refused < (served + refused + failed) * MIN_HONEST:
            wrong = {result: count for result, count in self.results(HONEST).items()
                     if result not in (OK, REFUSED)}
            broken.append("an honest client's calls are served, or refused with a hint: "
                          f"{describe(wrong)} of {served + refused + failed}")
        if self.before.rss and self.after.rss and self.after.rss > self.before.rss + MAX_LEFT:
            broken.append(f"the memory is given back within {self.settled:.0f} s: "
                          f"{mib(self.after.rss - self.before.rss)} MiB are left")
        return broken

    def row(self) -> list[str]:
        served, refused, failed = self.honest()
        return [
            self.title,
            "no" if self.death else "yes",
            milliseconds(self.p99(HEALTH)),
            milliseconds(max(self.p99(probe) for probe in PROBES)),
            str(served), str(refused), str(failed),
            milliseconds(self.p99(HONEST)),
            mib(self.before.rss), mib(self.last.rss_peak), mib(self.after.rss),
            f"{self.settled:.0f}",
            mib(self.last.container_peak),
        ]

    def as_json(self) -> dict:
        served, refused, failed = self.honest()
        return {
            "title": self.title, "seconds": self.seconds, "death": self.death,
            "broken": self.broken_promises(), "observer_late_p99": self.late(),
            "probes": {probe: {"results": self.results(probe), "p99": self.p99(probe),
                               "p50": percentile((o.latency for o in self.of(probe)), 0.5)}
                       for probe in PROBES},
            "honest": {"served": served, "refused": refused, "failed": failed,
                       "results": self.results(HONEST), "p99": self.p99(HONEST)},
            "rss": {"before": self.before.rss, "peak": self.last.rss_peak, "after": self.after.rss},
            "container": {"before": self.before.container, "peak": self.last.container_peak,
                          "after": self.after.container},
            "settled": self.settled, "attackers": self.tallies,
        }


COLUMNS = ["attack", "lives", "health p99", "any probe p99", "honest OK", "refused", "failed",
           "honest p99", "RSS before", "peak", "after", "after s", "container peak"]


def table(results: Iterable[Result]) -> str:
    """Times in ms, memory in MiB. The container's peak includes the kernel's memory for sockets."""
    rows = [COLUMNS, *(result.row() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("| " + " | ".join(cells) + " |")
    rule = ["-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths)]
    lines.insert(1, "|" + "|".join(rule) + "|")
    return "\n".join(lines)


def percentile(values: Iterable[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def mib(size: int | None) -> str:
    return "-" if size is None else f"{size / MIB:.1f}"


def describe(counts: dict[str, int]) -> str:
    return ", ".join(f"{result} {count}" for result, count in counts.items())
