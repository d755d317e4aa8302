"""What machines read: faces of one snapshot, all with the same answer and the same refusal when it is stale."""
