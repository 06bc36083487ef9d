"""The base of all other packages: files, locks, ids, adapters to the records of other libraries."""
