"""Which layer a node was made in: the names that pictures and tables of graphs group nodes by."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

_numbers = itertools.count()


class Scope(NamedTuple):
    """One call of a layer, or one entry of `name_scope`.

    name: as pictures show it.  kind: the layer's class, or 'scope'.  number: tells calls apart.
    """

    name: str
    kind: str
    number: int


_open: ContextVar[tuple[tuple[Any, Scope], ...]] = ContextVar("scopes", default=())


def current_scope() -> tuple[Scope, ...]:
    """The scopes that are open, outermost first."""
    return tuple(scope for _, scope in _open.get())


@contextmanager
def _opened(owner: Any, name: str, kind: str) -> Iterator[None]:
    token = _open.set((*_open.get(), (owner, Scope(name, kind, next(_numbers)))))
    try:
        yield
    finally:
        _open.reset(token)


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Groups the nodes made inside, which `draw` and `Executor.summary` then show as one layer.

    name: as they show it.  Layers of `hetu_jax.layers` open scopes of their own.  Also a decorator of functions.

    >>> import hetu_jax as ht
    >>> with ht.name_scope("head"):
    ...     y = ht.relu_op(ht.Variable("x"))
    >>> y.scope[0].name
    'head'
    """
    with _opened(None, str(name), "scope"):
        yield


def scoped(call: Callable[..., Any]) -> Callable[..., Any]:
    """A layer's `__call__` that opens a scope of the layer's name, unless it is called by the layer itself."""

    @functools.wraps(call)
    def inside(self: Any, *args: Any, **kwargs: Any) -> Any:
        stack = _open.get()
        if stack and stack[-1][0] is self:
            return call(self, *args, **kwargs)
        kind = type(self).__name__
        with _opened(self, str(getattr(self, "name", None) or kind), kind):
            return call(self, *args, **kwargs)

    return inside
