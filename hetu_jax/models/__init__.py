"""What Hetu's example scripts import from beside themselves as `models`."""
