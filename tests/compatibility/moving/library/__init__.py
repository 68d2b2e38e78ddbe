"""Models with the kinds of records that django-simple-history keeps."""
