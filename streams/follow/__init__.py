"""What one process at a time does beside the messages: whoever joins the panel in the hospital is told of late."""
