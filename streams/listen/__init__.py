"""The process `handoff listen`: bytes in, an acknowledgment out, never before they are durable."""
