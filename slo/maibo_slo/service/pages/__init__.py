"""The pages: what the API answers, for people. Server-rendered, complete without JavaScript, nothing loaded from elsewhere."""
