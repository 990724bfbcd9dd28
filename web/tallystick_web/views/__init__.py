"""Views: functions from state to trees. They know words and figures, nothing of the browser."""
