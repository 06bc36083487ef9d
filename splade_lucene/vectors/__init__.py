"""Impact vectors on disk: shards, manifest, validation."""
