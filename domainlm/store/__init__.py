"""Identity and reuse: action keys, action cache, content-addressed objects, leases."""
