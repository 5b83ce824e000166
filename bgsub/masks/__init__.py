"""Raw mask to clean mask; mask to blobs."""
