"""Panel and directory files: CSV bytes in, rows and named faults out."""
