"""One run: a new server, its observers, and the attackers."""

import asyncio
import logging
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkProcess
from typing import Any

from support.connection import Attack, Target
from support.memory import Memory
from support.observer import observe
from support.report import MAX_LEFT, Result
from support.server import Server

WARM_UP = 2.0
SETTLE = 30.0
ATTACKERS = 2

Attacks = Mapping[str, Callable[[Attack], Coroutine[Any, Any, None]]]
CONTEXT = multiprocessing.get_context("fork")
# A process, and the pipe to it.
Child = tuple[ForkProcess, Pipe]


def run(title: str, server: Server, target: Target, attacks: Attacks, seconds: float,
        nice: int) -> Result:
    """Attacks the server with all of these at once, from processes of this niceness."""
    memory = Memory(server.pid)
    with process(observe, target) as watching:
        before = memory.watch(WARM_UP)
        attackers = start_attackers(target, attacks, nice)
        begin = time.monotonic()
        memory.watch(seconds, lambda: not server.lives())
        tallies = end_attackers(attackers)
        end = time.monotonic()
        after = memory.watch(SETTLE, lambda: is_settled(memory, before.rss, server))
        watching.send("end")
        outcomes = watching.recv()
    during = [outcome for outcome in outcomes if begin <= outcome.begin < end]
    return Result(title, list(attacks), seconds, server.death(), during, before, memory.last(),
                  after, after.at - end, tallies)


def start_attackers(target: Target, attacks: Attacks, nice: int) -> list[Child]:
    """Shares the attacks out to processes, and waits until these have begun."""
    names = list(attacks)
    shares = [names[at::ATTACKERS] for at in range(min(ATTACKERS, len(names)))]
    attackers = [start(attack_with, target, {name: attacks[name] for name in share}, nice)
                 for share in shares]
    for _, pipe in attackers:
        pipe.recv()
    return attackers


def end_attackers(attackers: list[Child]) -> dict[str, Counter]:
    tallies: dict[str, Counter] = {}
    for _, pipe in attackers:
        pipe.send("end")
    for attacker, pipe in attackers:
        try:
            tallies |= pipe.recv() if pipe.poll(20) else {}
        except (EOFError, ConnectionError):
            raise SystemExit("an attack failed, as written above") from None
        attacker.kill()
        attacker.join()
    return tallies


def is_settled(memory: Memory, rest: int | None, server: Server) -> bool:
    rss = memory.samples[-1].rss
    return rest is None or rss is None or rss <= rest + MAX_LEFT or not server.lives()


def attack_with(target: Target, attacks: Attacks, nice: int, pipe: Pipe) -> None:
    """Sends a message into the pipe when it begins, attacks until the pipe has a message, and then
    sends the tallies into the pipe."""
    os.nice(nice)
    # asyncio would log each write to a connection that the server has ended.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)

    async def main() -> dict[str, Counter]:
        running = {name: Attack(target) for name in attacks}
        tasks = [asyncio.create_task(attacks[name](attack)) for name, attack in running.items()]
        await asyncio.sleep(0)
        pipe.send("begin")
        while not pipe.poll():
            await asyncio.sleep(0.1)
        for task in tasks:
            # An attack that has ended has failed: this raises its error.
            if task.done():
                task.result()
        return {name: attack.tally for name, attack in running.items()}

    async def report() -> None:
        pipe.send(await main())
        # Ends all connections at once.
        os._exit(0)

    asyncio.run(report())


def start(run: Callable[..., None], *arguments: object) -> Child:
    here, there = CONTEXT.Pipe()
    child = CONTEXT.Process(target=run, args=(*arguments, there), daemon=True)
    child.start()
    # Closed here, so that the pipe ends when the child ends.
    there.close()
    return child, here


@contextmanager
def process(run: Callable[..., None], *arguments: object) -> Iterator[Pipe]:
    child, pipe = start(run, *arguments)
    try:
        yield pipe
    finally:
        child.kill()
        child.join()
