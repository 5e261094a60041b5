"""`PYTHONPATH=src python -m tests.proof.ledger_rate`: the rate at which one client's ledger becomes a bottleneck.

Pictures start at random moments in simulated time. Each one reserves, is drawn, and settles, with the real LedgerStore
over S3 in memory. The latencies are assumptions, not measured on AWS.
"""

import heapq
import random
from collections.abc import Callable
from statistics import mean, quantiles
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, cast

from generate_image.aws.ledger import Ledger, LedgerStore, Reservation
from generate_image.deadline import Deadline
from generate_image.errors import StorageError
from generate_image.money import MicroUsd
from tests.memory_s3 import MemoryS3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

GET_SECONDS, PUT_SECONDS = 0.03, 0.05
DRAWING_SECONDS = 20.0
INVOCATION_SECONDS = 300.0
PICTURES = 600
RATES = (0.5, 1, 2, 4, 6, 8, 10, 15, 20)
"""Pictures a second of one client."""
COST = MicroUsd(13_170)


class SimulatedTime:
    """A clock that jumps to the next moment once every thread sleeps. One thread runs at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._awake = 1
        self._lock = Lock()
        self._sleeping: list[tuple[float, int, Event]] = []
        self._count = 0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the other threads run until that many seconds have passed."""
        woken = Event()
        with self._lock:
            self._count += 1
            heapq.heappush(self._sleeping, (self.now + seconds, self._count, woken))
            self._end_turn()
        woken.wait()

    def start(self, work: Callable[[], None]) -> Thread:
        """Run ``work`` in a thread, as soon as the others sleep."""

        def run() -> None:
            self.sleep(0)
            work()
            with self._lock:
                self._end_turn()

        with self._lock:
            self._awake += 1
        thread = Thread(target=run)
        thread.start()
        return thread

    def end(self) -> None:
        """Leave the simulation to its threads."""
        with self._lock:
            self._end_turn()

    def _end_turn(self) -> None:
        self._awake -= 1
        if not self._awake and self._sleeping:
            self.now, _, woken = heapq.heappop(self._sleeping)
            self._awake += 1
            woken.set()


class DistantS3(MemoryS3):
    """S3 with latency. A request takes effect in the middle of it."""

    def __init__(self, time: SimulatedTime) -> None:
        super().__init__(time)
        self._time = time
        self.puts = 0

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._after(GET_SECONDS, lambda: super(DistantS3, self).get_object(**parameters))

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        self.puts += 1
        return self._after(PUT_SECONDS, lambda: super(DistantS3, self).put_object(**parameters))

    def _after(self, seconds: float, request: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._time.sleep(seconds / 2)
        try:
            return request()
        finally:
            self._time.sleep(seconds / 2)


def measure(rate: float) -> str:
    """Return a row of the table for so many pictures a second."""
    chance, time = random.Random(1), SimulatedTime()
    s3 = DistantS3(time)
    waits: list[float] = []
    failures = 0

    def picture(number: int, start: float) -> None:
        nonlocal failures
        deadline = Deadline(time)
        ledgers = LedgerStore(cast("S3Client", s3), "bucket", deadline, sleep=time.sleep, random=chance.random)
        image_id = f"{number:036}"
        time.sleep(start)
        deadline.start(INVOCATION_SECONDS)
        reservation = Reservation(COST, time.now, f"{number:036}")
        try:
            for change in (
                lambda ledger: ledger.with_reservation(image_id, reservation),
                lambda ledger: ledger.settle(image_id, COST) if image_id in ledger.open else ledger,
            ):
                began = time.now
                ledgers.change("1", "2027-01", change)
                waits.append(time.now - began)
                time.sleep(DRAWING_SECONDS)
        except StorageError:
            failures += 1

    start = 0.0
    threads = []
    for number in range(PICTURES):
        start += chance.expovariate(rate)
        threads.append(time.start(lambda number=number, start=start: picture(number, start)))  # type: ignore[misc]
    time.end()
    for thread in threads:
        thread.join()
    assert Ledger.from_json(s3.objects["budgets/cli_1/2027-01.json"].body).settled == COST * (PICTURES - failures)
    tries = s3.puts / len(waits)
    return f"| {rate} | {tries:.1f} | {mean(waits):.2f} | {quantiles(waits, n=20)[-1]:.2f} | {failures} |"


if __name__ == "__main__":
    print("| pictures a second | writes for each change | seconds for a change | 95 % below | failures |")  # noqa: T201
    print("|---:|---:|---:|---:|---:|")  # noqa: T201
    for rate in RATES:
        print(measure(rate), flush=True)  # noqa: T201
