"""What runs only after the call that made it: coroutines, generators and async generators, each step of them inside a context.

A context variable that is set while a generator is suspended would be seen by whoever asks it, so that each step enters and leaves.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from typing import Any


class _Steps(Generator[Any, Any, Any]):
    """A generator each of whose steps is taken inside a context, and what it gives passed on through a function."""

    def __init__(
        self,
        steps: Any,
        entering: Callable[[], AbstractContextManager[None]],
        given: Callable[[Any], Any],
    ) -> None:
        self.steps, self.entering, self.given = steps, entering, given

    def send(self, value: Any) -> Any:
        """Take a step, with the value that the last one waits for."""
        return self._taken(self.steps.send, value)

    def throw(self, *error: Any) -> Any:
        """Take a step that begins with an error."""
        return self._taken(self.steps.throw, *error)

    def close(self) -> None:
        """End it."""
        with self.entering():
            self.steps.close()

    def _taken(self, step: Callable[..., Any], *values: Any) -> Any:
        with self.entering():
            try:
                return self._yielded(step(*values))
            except StopIteration as end:
                raise StopIteration(self.given(end.value)) from None

    def _yielded(self, value: Any) -> Any:
        return self.given(value)


class _Awaited(_Steps, Coroutine[Any, Any, Any]):
    """A coroutine of this kind: what it yields is for the event loop alone."""

    def __await__(self) -> Any:
        return self

    def _yielded(self, value: Any) -> Any:
        return value


class _AsyncSteps(AsyncGenerator[Any, Any]):
    """An async generator of this kind."""

    def __init__(self, steps: AsyncGenerator[Any, Any], *how: Any) -> None:
        self.steps, self.how = steps, how

    def asend(self, value: Any) -> Any:
        """Take a step, with the value that the last one waits for."""
        return _Awaited(self.steps.asend(value), *self.how)

    def athrow(self, *error: Any) -> Any:
        """Take a step that begins with an error."""
        return _Awaited(self.steps.athrow(*error), *self.how)

    def aclose(self) -> Any:
        """End it."""
        return _Awaited(self.steps.aclose(), *self.how)


def stepwise(
    value: Any,
    entering: Callable[[], AbstractContextManager[None]],
    given: Callable[[Any], Any],
) -> Any:
    """Return a coroutine, generator or async generator each of whose steps runs inside a context; anything else as it is.

    Takes a function that makes the context of a step, and one for what is yielded and returned.
    """
    if inspect.iscoroutine(value):
        return _Awaited(value, entering, given)
    if inspect.isgenerator(value):
        return _Steps(value, entering, given)
    if inspect.isasyncgen(value):
        return _AsyncSteps(value, entering, given)
    return value
