"""The pages and the JSON API, over the same tools and results as every other door."""

from bot.web.app import create_app, start_pages
from bot.web.services import Charts, Services

__all__ = ["Charts", "Services", "create_app", "start_pages"]
