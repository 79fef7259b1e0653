"""The process `handoff up`: the embedded broker and the other processes as children."""
