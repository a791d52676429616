"""Communication, with its one-device meaning."""
