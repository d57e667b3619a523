"""Where raw bytes come from: listed, remembered, fetched, opened."""
