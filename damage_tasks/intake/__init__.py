"""Photos that arrive in a bucket: the events with which S3 announces them."""
