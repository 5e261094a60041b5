"""A shard: up to 150 pictures of a list that are bought in one batch of the provider, at half the price."""
