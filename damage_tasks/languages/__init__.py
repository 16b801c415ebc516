"""The languages of texts for people: catalogues of translations, dates and numbers."""
