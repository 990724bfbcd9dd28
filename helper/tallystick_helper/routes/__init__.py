"""What the listeners answer: the public WebSocket, and the page's files."""
