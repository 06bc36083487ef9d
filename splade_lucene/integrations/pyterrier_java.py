"""Terrier and Lucene in one JVM: what PyTerrier calls when it starts Java, found through the entry point ``pyterrier.java.init``."""

from __future__ import annotations

import warnings
from typing import Any

import pyterrier as pt

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm


class AnseriniJar(pt.java.JavaInitializer):
    """Makes PyTerrier add Anserini's jar to Terrier's when it starts Java."""

    def condition(self) -> bool:
        """Whether there is a Java that runs Anserini, and the jar; without them Terrier alone is started."""
        try:
            jvm.java_home(), jvm.anserini_jar()
        except JavaError as error:
            warnings.warn(f"splade_lucene cannot search in this process: {error}", stacklevel=2)
            return False
        return True

    def priority(self) -> int:
        """Before PyTerrier's own, which take up what is set here."""
        return -110

    def pre_init(self, jnius_config: Any) -> None:
        """Adds the jar, and names the Java to start."""
        if jnius_config.vm_running:
            raise JavaError(
                "Java runs already, without Terrier: call pt.java.init() before the first ImpactRetriever is used, "
                "so that it starts with the jars of both"
            )
        java: Any = pt.java
        if java.configure["java_home"] is None:
            java.set_java_home(str(jvm.java_home()))
            # Lucene 10 calls the operating system's memory functions, of which Java would warn.
            java.add_option("--enable-native-access=ALL-UNNAMED")
        java.add_jar(str(jvm.anserini_jar()))

    def message(self) -> str:
        """For PyTerrier's line at the start."""
        return str(jvm.anserini_jar().name)
