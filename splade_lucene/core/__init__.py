"""What every package stands on: files, locks, ids, records of other libraries."""
