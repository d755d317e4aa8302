"""The pages: what the API answers, for people. Server-rendered, complete without JavaScript, nothing loaded from elsewhere."""

from maibo_slo.service.pages.routes import router

__all__ = ["router"]
