"""A function that waits (for the store, for a form) in, its result out of a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


class InThread:
    """Calls functions in the executor's threads; in those of the loop when there is none."""

    def __init__(self, executor: Executor | None) -> None:
        self._executor = executor

    def __call__(self, function: Callable[..., T], *arguments: object) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
