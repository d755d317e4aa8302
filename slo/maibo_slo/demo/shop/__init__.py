"""The demo's shop: storefront → cart → payment, three FastAPI services tagged as any user's would be.

Each runs in a process of its own (``python -m maibo_slo.demo.shop NAME …``). Beside the tags, each writes down every request that it
answered (`maibo_slo.demo.shop.notes`): the account that maibo's answers are compared with.
"""

SERVICES = ("storefront", "cart", "payment")
GOOD_VERSION, BAD_VERSION = "1.0.0", "1.1.0"
"""Of payment: the bad one is slow, and now and then the bank does not answer it."""
DECLINED_CARD, GOOD_CARD = "4000000000000002", "4242424242424242"
VISIT_HEADER, TIER_HEADER = "x-visit", "x-customer-tier"
"""Who a request is for, as customers say it and the services hand it on: the account's own words, apart from what maibo carries."""
