"""Looking after store and machine: are the bytes right, what may go, what is sent and fetched."""
