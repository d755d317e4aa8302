"""A request's way in, over HTTP and gRPC: who may send, what is read of it, what is answered."""
