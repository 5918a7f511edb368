"""What crosses a wire: requests, views, messages, notifications."""
