"""Run functions and iterators inside a `with` block, which their callers and consumers stay out of."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction

from audittrail.exceptions import ContextError

F = TypeVar("F", bound=Callable[..., Any])
Block = Callable[[], AbstractContextManager[object]]


def decorated(function: F, block: Block) -> F:
    """Return the function, of whatever kind, with the block around each run of its body.

    Raises `ContextError` for a class, or something that can't be called.
    """
    if isinstance(function, staticmethod | classmethod):
        return type(function)(decorated(function.__func__, block))
    if isinstance(function, type) or not callable(function):
        raise ContextError(
            f"A context or a moment can decorate functions and methods, not {function!r}. Of a class, decorate the methods."
        )
    wrapper: Callable[..., Any]
    if inspect.isasyncgenfunction(function):

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            return async_inside(block, function(*args, **kwargs))

    elif inspect.isgeneratorfunction(function):

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
            return inside(block, function(*args, **kwargs))

    elif iscoroutinefunction(function):

        @wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            with block():
                return await function(*args, **kwargs)

    else:

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with block():
                return function(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


def inside(block: Block, body: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Drive a generator so that each of its steps runs in the block, and its consumer doesn't."""

    def step(method: Callable[..., Any], *args: Any) -> Any:
        with block():
            return method(*args)

    try:
        item = step(next, body)
        while True:
            try:
                sent = yield item
            except GeneratorExit:
                step(body.close)
                raise
            except BaseException as error:  # noqa: BLE001 - it is the body's, whatever it is
                item = step(body.throw, error)
            else:
                item = step(body.send, sent)
    except StopIteration as end:
        return end.value


async def async_inside(block: Block, body: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Drive an asynchronous generator so that each step runs in the block."""

    async def step(method: Callable[..., Any], *args: Any) -> Any:
        with block():
            return await method(*args)

    try:
        item = await step(body.__anext__)
        while True:
            try:
                sent = yield item
            except GeneratorExit:
                await step(body.aclose)
                raise
            except BaseException as error:  # noqa: BLE001 - it is the body's, whatever it is
                item = await step(body.athrow, error)
            else:
                item = await step(body.asend, sent)
    except StopAsyncIteration:
        return
