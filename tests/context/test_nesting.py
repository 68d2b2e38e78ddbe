"""A context holds for its block and its function, adds to the outer one, and gives it back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest

from audittrail.revisions.context import comment, context
from tests.context.probes import said


def present() -> dict[str, Any] | None:
    """Return what a statement sent now would say."""
    return said(f"{comment()}SELECT 1")


def test_without_a_context_there_is_no_comment() -> None:
    assert comment() == ""


def test_a_block_says_user_reason_and_metadata() -> None:
    with context(user=5, reason="Stocktaking", ticket=17, tags=["a", "b"]):
        assert present() == {
            "user": "5",
            "reason": "Stocktaking",
            "ticket": 17,
            "tags": ["a", "b"],
        }
    assert comment() == ""


def test_a_context_that_says_nothing_sends_nothing() -> None:
    with context():
        assert comment() == ""
    with context(user=None, reason=""):
        assert comment() == ""


def test_an_inner_context_adds_and_wins_and_gives_the_outer_back() -> None:
    with context(user=5, reason="outer", ticket=1, place="desk"):
        before = comment()
        with context(reason="inner", ticket=2):
            assert present() == {"user": "5", "reason": "inner", "ticket": 2, "place": "desk"}
        assert comment() == before


def test_none_takes_back_what_the_outer_context_says() -> None:
    with context(user=5, reason="outer", ticket=1):
        with context(user=None, reason=None):
            assert present() == {"ticket": 1}
        assert present() == {"user": "5", "reason": "outer", "ticket": 1}


def test_an_exception_gives_the_outer_back() -> None:
    with context(reason="outer"):
        with pytest.raises(ZeroDivisionError), context(reason="inner"):
            _ = 1 / 0
        assert present() == {"reason": "outer"}
    assert comment() == ""


def test_one_context_can_be_entered_again_inside_itself() -> None:
    once = context(reason="again")
    with once:
        with once:
            assert present() == {"reason": "again"}
        assert present() == {"reason": "again"}
    assert comment() == ""


def test_a_metadata_name_may_be_any_string() -> None:
    with context(**{"self": 1, "with space": 2, "*/": 3}):
        assert present() == {"self": 1, "with space": 2, "*/": 3}


def test_metadata_is_taken_when_the_context_begins() -> None:
    items = ["first"]
    with context(items=items):
        items.append("second")
        assert present() == {"items": ["first"]}


def test_a_decorated_function_has_the_context_while_it_runs() -> None:
    @context(reason="inside")
    def work(depth: int) -> list[dict[str, Any] | None]:
        """Call itself."""
        return [present(), *(work(depth - 1) if depth else [])]

    assert work(2) == [{"reason": "inside"}] * 3
    assert work.__name__ == "work" and work.__doc__ == "Call itself."
    assert comment() == ""


def test_a_decorated_function_adds_to_the_context_of_each_call() -> None:
    @context(reason="inside")
    def work() -> dict[str, Any] | None:
        return present()

    with context(user=1):
        assert work() == {"user": "1", "reason": "inside"}
    with context(user=2):
        assert work() == {"user": "2", "reason": "inside"}


def test_methods_of_every_kind_can_be_decorated() -> None:
    class Worker:
        @context(reason="method")
        def method(self) -> Any:
            return present()

        @context(reason="class")
        @classmethod
        def of_class(cls) -> Any:
            return cls, present()

        @context(reason="static")
        @staticmethod
        def static() -> Any:
            return present()

    assert Worker().method() == {"reason": "method"}
    assert Worker.of_class() == (Worker, {"reason": "class"})
    assert Worker().static() == {"reason": "static"}


def test_a_decorated_generator_has_the_context_only_in_its_own_body() -> None:
    @context(reason="body")
    def items() -> Generator[dict[str, Any] | None, str, str]:
        got = yield present()
        try:
            yield {"got": got, **(present() or {})}
        finally:
            closing.append(present())
        return "result"

    closing: list[Any] = []
    running = items()
    assert next(running) == {"reason": "body"} and comment() == ""
    assert running.send("sent") == {"got": "sent", "reason": "body"} and comment() == ""
    with pytest.raises(StopIteration) as end:
        next(running)
    assert end.value.value == "result"
    assert closing == [{"reason": "body"}] and comment() == ""


def test_a_decorated_generator_that_is_closed_or_hit_runs_its_handlers_in_the_context() -> None:
    seen: list[Any] = []

    @context(reason="body")
    def items() -> Iterator[int]:
        try:
            yield 1
        except KeyError:
            seen.append(("caught", present()))
            yield 2
        finally:
            seen.append(("finally", present()))

    running = items()
    next(running)
    assert running.throw(KeyError("x")) == 2  # type: ignore[attr-defined]
    running.close()  # type: ignore[attr-defined]
    assert seen == [("caught", {"reason": "body"}), ("finally", {"reason": "body"})]


def test_a_decorated_coroutine_has_the_context_across_its_awaits() -> None:
    @context(reason="task")
    async def work() -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return present()

    async def main() -> None:
        assert asyncio.iscoroutinefunction(work)
        assert await work() == {"reason": "task"}
        assert comment() == ""

    asyncio.run(main())


def test_a_decorated_async_generator_has_the_context_only_in_its_own_body() -> None:
    seen: list[Any] = []

    @context(reason="body")
    async def items() -> AsyncIterator[Any]:
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                yield present()
        finally:
            seen.append(present())

    async def main() -> None:
        async for item in items():
            assert item == {"reason": "body"} and comment() == ""
        unfinished = items()
        await anext(unfinished)
        await unfinished.aclose()  # type: ignore[attr-defined]
        assert seen == [{"reason": "body"}] * 2 and comment() == ""

    asyncio.run(main())


def test_coroutines_that_run_together_never_mix() -> None:
    shared = context(place="shared")

    async def work(number: int) -> None:
        with context(user=number), shared:
            for _ in range(5):
                await asyncio.sleep(0)
                assert present() == {"user": str(number), "place": "shared"}
            with context(reason=f"inner {number}"):
                await asyncio.sleep(0)
                assert present() == {
                    "user": str(number),
                    "reason": f"inner {number}",
                    "place": "shared",
                }
        assert present() == {"place": "outside"}

    async def main() -> None:
        with context(place="outside"):
            await asyncio.gather(*(work(number) for number in range(10)))

    asyncio.run(main())
    assert comment() == ""


def test_a_plain_thread_begins_without_a_context() -> None:
    found: list[str] = []
    with context(reason="here"):
        thread = threading.Thread(target=lambda: found.append(comment()))
        thread.start()
        thread.join()
    assert found == [""]
