"""`maibo demo`: a small shop under real traffic, measured by maibo and, separately, by the shop's own customers and services.

Nothing here is used by the service. The shop is tagged exactly as a user's services would be; what customers sent and got back, and
what the shop's processes wrote down about each request outside of the SDK, are the account that maibo's answers must equal.
"""
