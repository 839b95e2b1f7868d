"""The two domains, in the order in which a training step runs them."""

DOMAINS = ('source', 'target')
