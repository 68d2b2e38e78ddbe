"""The pages, a module for each: whatever stands here and calls `pages.model_page` or `pages.site_page` has its URL."""
