"""Java functions made of method handles: how Python calls classes of ours, which pyjnius cannot name as their loader is not Java's own.

All handles here take and return ``Object``, so any two fit together; Java casts on the way. Types are named as in
:mod:`~splade_lucene.lucene.java`.
"""

from __future__ import annotations

from typing import Any

from splade_lucene.lucene.java import java_class, java_type, upcast


def method(owner: str, name: str, returns: str, *parameters: str) -> Any:
    """The handle of an instance method; its first parameter is the object."""
    lookup, of, kind = _lookup(), java_type(owner), _signature(returns, *parameters)
    return _general(lookup.findVirtual(of, name, kind))


def static_method(of: Any, name: str, returns: str, *parameters: str) -> Any:
    """The handle of a static method of a ``java.lang.Class``."""
    lookup, kind = _lookup(), _signature(returns, *parameters)
    return _general(lookup.findStatic(of, name, kind))


def constructor(of: Any, *parameters: str) -> Any:
    """The handle of a constructor of a ``java.lang.Class``."""
    lookup, kind = _lookup(), _signature("void", *parameters)
    return _general(lookup.findConstructor(of, kind))


def with_first(handle: Any, *values: Any) -> Any:
    """A handle with its first parameters set, that of a method with its object; safer than ``bindTo`` where several threads can be."""
    return java_class("MethodHandles").insertArguments(handle, 0, *values)


def chain(*functions: Any) -> Any:
    """A function that hands its parameter to the first function, that one's result to the second, and so on.

    A function with more parameters takes what went before as its first; the others become parameters of the chain.
    """
    whole = functions[-1]
    for function in reversed(functions[:-1]):
        whole = java_class("MethodHandles").collectArguments(whole, 0, function)
    return whole


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
