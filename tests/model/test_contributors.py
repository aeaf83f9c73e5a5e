"""Fan-in in a size that does not grow."""

from __future__ import annotations

import struct
from contextlib import suppress
from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from lineage.model.contributors import ENDS, IDS, Contributors, Range, pack_ranges, unpack_ranges


def ids(number: int) -> bytes:
    return number.to_bytes(16, "big") + number.to_bytes(8, "big")


def numbers(contributors: Contributors) -> list[int]:
    return [int.from_bytes(trace, "big") for trace, _ in contributors.ids()]


def many(count: int, first: int = 1, partition: int = 0) -> Contributors:
    contributors = Contributors()
    for number in range(first, first + count):
        contributors = contributors.plus(ids(number), "orders", partition, number)
    return contributors


@given(st.integers(1, 100))
def test_the_first_and_the_last_are_kept_and_all_are_counted(count: int) -> None:
    """Up to 32 nothing is missing, beyond that the middle is."""
    contributors = many(count)
    every = list(range(1, count + 1))
    expected = every if count <= 2 * ENDS else every[:ENDS] + every[-ENDS:]
    assert numbers(contributors) == expected
    assert contributors.total == count
    assert contributors.ranges == (Range("orders", 0, 1, count),)
    assert contributors.complete


@given(st.integers(0, 60), st.integers(0, 60))
def test_what_two_values_were_made_of_is_what_their_sum_was(one: int, other: int) -> None:
    """Sessions that grow together; of the middle some may be kept too few, never a wrong one."""
    merged = many(one).merged(many(other, first=1000))
    every = [*range(1, one + 1), *range(1000, 1000 + other)]
    assert merged.total == len(every)
    assert numbers(merged)[:ENDS] == every[:ENDS]
    assert set(numbers(merged)) <= set(every)
    assert len(every) > ENDS or numbers(merged) == every


def test_ranges_are_kept_for_some_partitions_and_say_when_there_are_more() -> None:
    """Nine partitions are one too many."""
    contributors = Contributors()
    for partition in range(9):
        contributors = contributors.plus(ids(partition + 1), "orders", partition, 7)
    assert len(contributors.ranges) == 8
    assert not contributors.complete
    assert not Contributors().plus(ids(1), None, 0, 0).complete


@given(st.lists(st.builds(Range, st.sampled_from(["a", "b", "ö"]), st.integers(0, 99), st.just(3), st.integers(3, 9))))
def test_ranges_come_back_as_far_as_there_was_room(ranges: list[Range]) -> None:
    """The topic of the writer itself is not repeated."""
    packed, complete = pack_ranges(tuple(ranges), "a", 100)
    back = unpack_ranges(packed, "a")
    assert back == tuple(ranges)[: len(back)]
    assert len(packed) <= 100
    assert complete == (len(back) == len(ranges))


@given(st.binary(max_size=80))
def test_no_bytes_do_harm(packed: bytes) -> None:
    """Ranges or one of two errors."""
    with suppress(ValueError, struct.error):
        unpack_ranges(packed, None)


def test_an_update_costs_the_same_however_many_there_were() -> None:
    """The hundred-thousandth as the hundredth; by a factor of two, as machines are busy."""

    def cost(contributors: Contributors) -> float:
        began = process_time()
        for number in range(20_000):
            contributors.plus(ids(5), "orders", 0, number)
        return process_time() - began

    few, lots = many(100), many(100_000)
    assert len(lots.first + lots.last) == 2 * ENDS * IDS
    assert min(cost(lots) for _ in range(3)) < 2 * min(cost(few) for _ in range(3))
