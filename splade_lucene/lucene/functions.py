"""Functions that run inside Java's own loops, put together from method handles: no call from Python for each hit.

A call from Python into Java costs microseconds and holds Python's lock; a composed handle is compiled by Java like any code. All handles
here take and return ``Object``, so any two fit together; Java casts on the way. Types are named as in :mod:`~splade_lucene.lucene.java`.
"""

from __future__ import annotations

from typing import Any

from splade_lucene.lucene.java import java_class, java_type, upcast


def method(owner: str, name: str, returns: str, *parameters: str) -> Any:
    """The handle of an instance method; its first parameter is the object."""
    lookup, of, kind = _lookup(), java_type(owner), _signature(returns, *parameters)
    return _general(lookup.findVirtual(of, name, kind))


def static_method(owner: str, name: str, returns: str, *parameters: str) -> Any:
    """The handle of a static method."""
    lookup, of, kind = _lookup(), java_type(owner), _signature(returns, *parameters)
    return _general(lookup.findStatic(of, name, kind))


def field(owner: str, name: str, kind: str) -> Any:
    """A function from an object to one of its fields."""
    lookup, of, held = _lookup(), java_type(owner), java_type(kind)
    return _general(lookup.findGetter(of, name, held))


def constructor(of: Any, *parameters: str) -> Any:
    """The handle of a constructor of a ``java.lang.Class``."""
    lookup, kind = _lookup(), _signature("void", *parameters)
    return _general(lookup.findConstructor(of, kind))


def element(array: str, index: int) -> Any:
    """A function from an array to one of its elements."""
    getter = _general(java_class("MethodHandles").arrayElementGetter(java_type(array)))
    return with_second(getter, java_class("Integer")(index))


def with_first(handle: Any, *values: Any) -> Any:
    """A handle with its first parameters set, that of a method with its object; safer than ``bindTo`` where several threads can be."""
    return java_class("MethodHandles").insertArguments(handle, 0, *values)


def with_second(handle: Any, value: Any) -> Any:
    """A handle of two parameters with the second set."""
    return java_class("MethodHandles").insertArguments(handle, 1, value)


def chain(*functions: Any) -> Any:
    """A function that hands its parameter to the first function, that one's result to the second, and so on.

    A function with more parameters takes what went before as its first; the others become parameters of the chain.
    """
    whole = functions[-1]
    for function in reversed(functions[:-1]):
        whole = java_class("MethodHandles").collectArguments(whole, 0, function)
    return whole


def spread(first: Any, second: Any, joined: Any) -> Any:
    """A function that hands its parameter to two functions, and their results to a third."""
    pair = java_class("MethodHandles").filterArguments(joined, 0, first, second)
    kind = _signature("Object", "Object")
    return java_class("MethodHandles").permuteArguments(pair, kind, 0, 0)


def all_of(*actions: Any, returning: Any) -> Any:
    """A function that hands its parameter to each of the actions in turn, and returns a function of it or a Java object.

    Args:
        *actions: functions of one parameter.
        returning: likewise, or a Java object.
    """
    kind, last = _signature("void", "Object"), returning
    for action in reversed(actions):
        silent = action.asType(kind)
        last = java_class("MethodHandles").foldArguments(last, silent)
    return last


def as_interface(name: str, handle: Any) -> Any:
    """A Java object of an interface with one method, which calls ``handle``."""
    proxy = java_class("MethodHandleProxies").asInterfaceInstance(java_type(name), handle)
    return upcast(name, proxy)


def _lookup() -> Any:
    return java_class("MethodHandles").publicLookup()


def _signature(returns: str, *parameters: str) -> Any:
    types = [java_type(each) for each in parameters]
    return java_class("MethodType").methodType(java_type(returns), types)


def _general(handle: Any) -> Any:
    kind = handle.type()
    general = java_class("MethodType").genericMethodType(kind.parameterCount())
    return handle.asType(general)
