"""Index and search. The JVM lives only here."""
