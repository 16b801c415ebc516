"""AWS clients, S3 and CloudFront."""
