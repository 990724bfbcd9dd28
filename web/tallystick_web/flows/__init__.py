"""What people start: coroutines that talk to the seats and dispatch actions."""
